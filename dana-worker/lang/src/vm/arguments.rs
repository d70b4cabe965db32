//! What a native says of arguments that it does not take, in CPython's words.
//!
//! CPython has several ways of declaring a function, each with wording of its own; which one applies follows from the
//! parameters. Functions that only Dana has complain as functions written in Dana do.

use crate::library::native::{Native, Take};
use crate::value::{Raise, Value};

/// How the parameters were declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Nothing but positional arguments: `list.append`.
    Positional,
    /// The same in the older way: `str.find`.
    Older,
    /// All further positional arguments, or all named ones: `set.union`, `dict.update`.
    Open,
    /// Some arguments by name: `str.split`, `sorted`.
    Named,
    /// A function of Dana's own.
    Dana,
}

/// Methods of `str` that take a part of the text, and functions of Python's that name their required argument.
const OLDER: [&str; 7] = ["find", "rfind", "index", "rindex", "count", "startswith", "endswith"];
const NAMING: [&str; 2] = ["enumerate", "round"];

/// One native, and the receiver it was called with if it is a method.
pub(super) struct Complaint<'a> {
    native: &'a Native,
    receiver: Option<&'a str>,
    /// A method without a receiver.
    bare: bool,
    style: Style,
    least: usize,
    most: usize,
}

impl<'a> Complaint<'a> {
    pub(super) fn new(native: &'a Native, positional: &'a [Value]) -> Complaint<'a> {
        let method = native.params.first().is_some_and(|param| param.name == "self");
        let receiver = positional.first().filter(|first| method && !first.is_unset()).map(|receiver| {
            match receiver.type_name() {
                "bool" => "int",
                name => name,
            }
        });
        let own = native.params.get(usize::from(method)..).unwrap_or_default();
        let any = |take: Take| own.iter().any(|param| param.take == take);
        let style = if any(Take::Either) && !NAMING.contains(&native.name) {
            Style::Dana
        } else if any(Take::Either) || any(Take::Optional) || any(Take::Named) {
            Style::Named
        } else if any(Take::Rest) || any(Take::Keywords) {
            Style::Open
        } else if receiver == Some("str") && OLDER.contains(&native.name) {
            Style::Older
        } else {
            Style::Positional
        };
        let least = own.iter().filter(|param| matches!(param.take, Take::Position | Take::Either)).count();
        let most = own.iter().filter(|param| !matches!(param.take, Take::Rest | Take::Keywords)).count();
        let bare = method && receiver.is_none();
        Complaint { native, receiver, bare, style, least, most }
    }

    /// The name as the newer way shows it, with the type.
    fn whole(&self) -> String {
        match self.receiver {
            Some(receiver) => format!("{receiver}.{}()", self.native.name),
            None => format!("{}()", self.native.name),
        }
    }

    /// How many arguments were given, without the receiver.
    fn given(&self, positional: usize) -> usize {
        positional.saturating_sub(usize::from(self.receiver.is_some()))
    }

    /// Named arguments where none are taken.
    pub(super) fn names(&self, named: usize) -> Result<(), Raise> {
        let name = match self.style {
            Style::Positional => self.whole(),
            Style::Older => format!("{}()", self.native.name),
            Style::Open if !self.native.params.iter().any(|param| param.take == Take::Keywords) => {
                format!("{}()", self.native.name)
            }
            _ => return Ok(()),
        };
        if named == 0 { Ok(()) } else { Err(Raise::type_error(format!("{name} takes no keyword arguments"))) }
    }

    /// Too many or too few positional arguments; `named` were given by name.
    #[cold]
    pub(super) fn count(&self, positional: usize, named: usize) -> Raise {
        let given = self.given(positional);
        let (least, most, name) = (self.least, self.most, self.native.name);
        if self.bare {
            return Raise::type_error(format!("unbound method {name}() needs an argument"));
        }
        if matches!(name, "sorted" | "reversed") {
            return Raise::type_error(format!("{name} expected 1 argument, got {given}"));
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        Raise::type_error(match self.style {
            Style::Positional if most == 0 => format!("{} takes no arguments ({given} given)", self.whole()),
            Style::Positional if least == 1 && most == 1 => {
                format!("{} takes exactly one argument ({given} given)", self.whole())
            }
            Style::Older if given < least => {
                format!("{name}() takes at least {least} argument{} ({given} given)", plural(least))
            }
            Style::Older => format!("{name}() takes at most {most} argument{} ({given} given)", plural(most)),
            Style::Named if name == "sorted" => format!("sorted expected 1 argument, got {given}"),
            Style::Named if self.by_position() == 0 => format!("{name}() takes no positional arguments"),
            Style::Named if given < least => {
                format!(
                    "{name}() takes at least {least} positional argument{} ({given} given)",
                    plural(least)
                )
            }
            Style::Named => {
                format!("{name}() takes at most {most} argument{} ({} given)", plural(most), given + named)
            }
            Style::Open if name == "map" => "map() must have at least two arguments.".to_owned(),
            Style::Positional | Style::Open if least == most => {
                format!("{name} expected {most} argument{}, got {given}", plural(most))
            }
            Style::Positional | Style::Open if given < least => {
                format!("{name} expected at least {least} argument{}, got {given}", plural(least))
            }
            Style::Positional | Style::Open => {
                format!("{name} expected at most {most} argument{}, got {given}", plural(most))
            }
            Style::Dana => format!(
                "{name}() takes {} positional argument{} but {given} {} given",
                super::bind::span(least, most),
                plural(most),
                if given == 1 { "was" } else { "were" }
            ),
        })
    }

    /// How many arguments may be given by position.
    fn by_position(&self) -> usize {
        let skip = usize::from(self.receiver.is_some());
        let own = self.native.params.iter().skip(skip);
        own.filter(|param| !matches!(param.take, Take::Named | Take::Rest | Take::Keywords)).count()
    }

    /// Required arguments that were not given, by name.
    #[cold]
    pub(super) fn missing(&self, names: &[&str], positional: usize) -> Raise {
        match (self.style, names) {
            (Style::Dana, _) => super::bind::absent(self.native.name, names),
            (Style::Named, [name, ..]) if NAMING.contains(&self.native.name) => {
                let place = if self.native.name == "round" { " (pos 1)" } else { "" };
                let text = format!("{}() missing required argument '{name}'{place}", self.native.name);
                Raise::type_error(text)
            }
            _ => self.count(positional, 0),
        }
    }

    /// An argument by a name that no parameter has.
    #[cold]
    pub(super) fn unexpected(&self, name: &str) -> Raise {
        match self.style {
            Style::Named => Raise::type_error(format!(
                "'{name}' is an invalid keyword argument for {}()",
                // What sorts is the list's method.
                if self.native.name == "sorted" { "sort" } else { self.native.name }
            )),
            _ => super::bind::unexpected(self.native.name, name),
        }
    }
}
