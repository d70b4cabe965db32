//! Expressions of a wanted type.

use super::choices::Choices;
use super::formats;
use super::literals;
use super::signatures::{self, Param, Pattern, Signature};
use super::tree::{Argument, Comprehension, Expr, Kind, Parameter};
use super::types::{Ty, hashable, orderable, ordinary};

/// A function of the program.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, Ty, bool)>,
    pub(crate) result: Ty,
}

pub(crate) struct Generator<'a> {
    pub(crate) choices: Choices<'a>,
    /// What is in scope here.
    pub(crate) names: Vec<(String, Ty)>,
    pub(crate) functions: Vec<Known>,
    /// Where the names of the function being written begin.
    pub(crate) own: usize,
    pub(crate) counter: usize,
    /// What most of the values shown are about.
    pub(crate) theme: Theme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    All,
    Formats,
    Numbers,
    Texts,
    Collections,
}

const THEMES: [Theme; 6] =
    [Theme::All, Theme::Formats, Theme::Numbers, Theme::Texts, Theme::Collections, Theme::All];

type Bindings = Vec<(char, Ty)>;

impl<'a> Generator<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Generator<'a> {
        let mut choices = Choices::new(bytes);
        let theme = choices.pick(&THEMES);
        Generator { choices, names: Vec::new(), functions: Vec::new(), own: 0, counter: 0, theme }
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.choices.below(count)
    }

    pub(crate) fn once_in(&mut self, count: usize) -> bool {
        self.choices.once_in(count)
    }

    pub(crate) fn ordinary(&mut self) -> Ty {
        ordinary(&mut self.choices, 2)
    }

    /// Mostly of that type.
    pub(crate) fn expr(&mut self, ty: &Ty, depth: u32) -> Expr {
        if depth > 0 && self.once_in(40) {
            let other = self.ordinary();
            return self.expr(&other, depth - 1);
        }
        if self.choices.spent() || depth == 0 || self.below(4) == 0 {
            return self.simple(ty, depth);
        }
        match self.below(16) {
            1..=5 => self.operation(ty, depth),
            6..=11 => self.called(ty, depth),
            12 => {
                let other = self.condition(depth - 1);
                let (yes, no) = (self.boxed(ty, depth - 1), self.boxed(ty, depth - 1));
                Expr::Either { condition: Box::new(other), yes, no }
            }
            13 => self.element(ty, depth),
            14 => self.own_call(ty, depth),
            _ => self.simple(ty, depth),
        }
    }

    pub(crate) fn boxed(&mut self, ty: &Ty, depth: u32) -> Box<Expr> {
        Box::new(self.expr(ty, depth))
    }

    /// For plain truth: anything but a set.
    pub(crate) fn condition(&mut self, depth: u32) -> Expr {
        if self.once_in(4) {
            let ty = self.ordinary();
            self.expr(&ty, depth)
        } else {
            self.expr(&Ty::Bool, depth)
        }
    }

    /// A name in scope, or a literal.
    pub(crate) fn simple(&mut self, ty: &Ty, depth: u32) -> Expr {
        let fitting: Vec<String> =
            self.names.iter().filter(|(_, known)| known == ty).map(|(name, _)| name.clone()).collect();
        if !fitting.is_empty() && self.below(3) > 0 {
            let at = self.below(fitting.len());
            return Expr::name(&fitting[at]);
        }
        self.literal(ty, depth)
    }

    pub(crate) fn literal(&mut self, ty: &Ty, depth: u32) -> Expr {
        let inner = depth.saturating_sub(1);
        let choices = &mut self.choices;
        match ty {
            Ty::None => Expr::name("None"),
            Ty::Bool => Expr::name(choices.pick(&["False", "True"])),
            Ty::Int => literals::int(choices),
            Ty::Float => literals::float(choices),
            Ty::Str => {
                let text = literals::text(choices);
                literals::quoted(choices, &text)
            }
            Ty::Range => {
                let count = 1 + choices.below(3);
                Expr::call("range", (0..count).map(|_| Expr::int(literals::small(choices))).collect())
            }
            Ty::List(element) => {
                let count = self.count();
                Expr::List((0..count).map(|_| self.expr(element, inner)).collect())
            }
            Ty::Tuple(elements) => {
                Expr::Tuple(elements.iter().map(|element| self.expr(element, inner)).collect())
            }
            Ty::Dict(key, value) => {
                let count = self.count();
                Expr::Dict((0..count).map(|_| (self.expr(key, inner), self.expr(value, inner))).collect())
            }
            Ty::Set(element) => {
                let count = self.count();
                if count == 0 {
                    return Expr::call("set", Vec::new());
                }
                Expr::Set((0..count).map(|_| self.expr(element, inner)).collect())
            }
        }
    }

    /// Elements of a literal: seldom none.
    fn count(&mut self) -> usize {
        self.choices.pick(&[0, 1, 2, 3, 4, 1, 2, 3])
    }

    /// An index that mostly exists.
    fn index(&mut self) -> Expr {
        Expr::int(match self.below(6) {
            0..=3 => self.choices.pick(&[0, -1]),
            _ => literals::small(&mut self.choices),
        })
    }

    /// The result of an operator.
    pub(crate) fn operation(&mut self, ty: &Ty, depth: u32) -> Expr {
        let inner = depth - 1;
        match ty {
            Ty::Int => {
                if self.once_in(6) {
                    let sign = self.choices.pick(&["-", "+"]);
                    return Expr::Unary(sign, self.boxed(&Ty::Int, inner));
                }
                let operator = self.choices.pick(&["+", "-", "*", "//", "%", "**"]);
                let left = self.boxed(&Ty::Int, inner);
                let right = if operator == "**" {
                    Box::new(Expr::int(literals::small(&mut self.choices)))
                } else if self.once_in(8) {
                    self.boxed(&Ty::Bool, inner)
                } else {
                    self.boxed(&Ty::Int, inner)
                };
                Expr::Binary(operator, left, right)
            }
            Ty::Float => {
                if self.once_in(8) {
                    return Expr::Unary("-", self.boxed(&Ty::Float, inner));
                }
                let operator = self.choices.pick(&["+", "-", "*", "/", "//", "%", "**"]);
                let (left, right) = match self.below(4) {
                    0 => (Ty::Int, Ty::Float),
                    1 => (Ty::Float, Ty::Int),
                    2 if operator == "/" => (Ty::Int, Ty::Int),
                    _ => (Ty::Float, Ty::Float),
                };
                Expr::Binary(operator, self.boxed(&left, inner), self.boxed(&right, inner))
            }
            Ty::Bool => self.truth(depth),
            Ty::Str => match self.below(6) {
                0 | 1 => Expr::Binary("+", self.boxed(ty, inner), self.boxed(ty, inner)),
                2 => self.repeated(ty, inner),
                3 => formats::f_string(self, inner),
                4 => formats::percent(self, inner),
                _ => self.sliced(ty, inner),
            },
            Ty::List(element) => match self.below(6) {
                0 => Expr::Binary("+", self.boxed(ty, inner), self.boxed(ty, inner)),
                1 => self.repeated(ty, inner),
                2 => self.sliced(ty, inner),
                _ => self.comprehension(Kind::List, element, inner),
            },
            Ty::Tuple(_) if self.once_in(3) => self.sliced(ty, inner),
            Ty::Tuple(elements) => {
                let cut = self.below(elements.len() + 1);
                let (left, right) = elements.split_at(cut);
                let (left, right) = (Ty::Tuple(left.to_vec()), Ty::Tuple(right.to_vec()));
                Expr::Binary("+", self.boxed(&left, inner), self.boxed(&right, inner))
            }
            Ty::Dict(key, value) => {
                let parenthesised = self.below(2) == 0;
                // The key is filled in where the comprehension's variables are known.
                let kind = Kind::Dict { key: Expr::name("None"), parenthesised };
                let _ = key;
                self.comprehension(kind, value, inner)
            }
            Ty::Set(element) => match self.below(3) {
                0 => Expr::Binary("-", self.boxed(ty, inner), self.boxed(ty, inner)),
                _ => self.comprehension(Kind::Set, element, inner),
            },
            Ty::Range => self.sliced(ty, inner),
            Ty::None => self.simple(ty, inner),
        }
    }

    fn repeated(&mut self, ty: &Ty, depth: u32) -> Expr {
        let count = Box::new(Expr::int(literals::small(&mut self.choices)));
        let value = self.boxed(ty, depth);
        if self.once_in(3) { Expr::Binary("*", count, value) } else { Expr::Binary("*", value, count) }
    }

    fn sliced(&mut self, ty: &Ty, depth: u32) -> Expr {
        let value = self.boxed(ty, depth);
        Expr::Slice(value, self.bounds())
    }

    pub(crate) fn bounds(&mut self) -> [Option<Box<Expr>>; 3] {
        let step = self.once_in(3);
        [true, true, step].map(|present| {
            (present && self.below(2) == 0).then(|| Box::new(Expr::int(literals::small(&mut self.choices))))
        })
    }

    fn truth(&mut self, depth: u32) -> Expr {
        let inner = depth - 1;
        match self.below(10) {
            0 => Expr::Unary("not", Box::new(self.condition(inner))),
            1 | 2 => {
                let operator = self.choices.pick(&["and", "or"]);
                Expr::Logic(operator, Box::new(self.condition(inner)), Box::new(self.condition(inner)))
            }
            3 => {
                let ty = self.ordinary();
                let operator = self.choices.pick(&["is", "is not"]);
                Expr::Compare(operator, self.boxed(&ty, inner), Box::new(Expr::name("None")))
            }
            4 | 5 => {
                let operator = self.choices.pick(&["in", "not in"]);
                let ty = hashable(&mut self.choices);
                let element = self.boxed(&ty, inner);
                let over = self.matching(&Pattern::Bag(Box::new(Pattern::Exact(ty))), inner);
                Expr::Compare(operator, element, Box::new(over))
            }
            6 => {
                let operator = self.choices.pick(&["==", "!="]);
                let (left, right) = (self.ordinary(), self.ordinary());
                Expr::Compare(operator, self.boxed(&left, inner), self.boxed(&right, inner))
            }
            7 => {
                // Order between sets is inclusion.
                let operator = self.choices.pick(&["==", "!=", "<", "<=", ">", ">="]);
                let ty = Ty::Set(Box::new(hashable(&mut self.choices)));
                Expr::Compare(operator, self.boxed(&ty, inner), self.boxed(&ty, inner))
            }
            _ => {
                let operator = self.choices.pick(&["==", "!=", "<", "<=", ">", ">="]);
                let ty = match self.below(4) {
                    0 => Ty::List(Box::new(orderable(&mut self.choices))),
                    _ => orderable(&mut self.choices),
                };
                let right = if ty == Ty::Int && self.once_in(2) { Ty::Float } else { ty.clone() };
                Expr::Compare(operator, self.boxed(&ty, inner), self.boxed(&right, inner))
            }
        }
    }

    /// An element of something.
    fn element(&mut self, ty: &Ty, depth: u32) -> Expr {
        let inner = depth - 1;
        if matches!(ty, Ty::Set(_)) {
            return self.simple(ty, inner);
        }
        if self.below(2) == 0 {
            let key = hashable(&mut self.choices);
            let dict = Ty::Dict(Box::new(key.clone()), Box::new(ty.clone()));
            if self.below(2) == 0 {
                let key = self.simple(&key, inner);
                let mut entries = vec![(key.clone(), self.expr(ty, inner))];
                if let Expr::Dict(more) = self.literal(&dict, inner) {
                    entries.extend(more);
                }
                return Expr::Item(Box::new(Expr::Dict(entries)), Box::new(key));
            }
            return Expr::Item(self.boxed(&dict, inner), self.boxed(&key, inner));
        }
        let sequence = match (self.below(3), ty) {
            (0, Ty::Str) => Ty::Str,
            (0, Ty::Int) => Ty::Range,
            (1, _) => Ty::Tuple(vec![ty.clone(), ty.clone()]),
            _ => Ty::List(Box::new(ty.clone())),
        };
        let index = self.index();
        Expr::Item(self.boxed(&sequence, inner), Box::new(index))
    }

    fn own_call(&mut self, ty: &Ty, depth: u32) -> Expr {
        let fitting: Vec<Known> =
            self.functions.iter().filter(|known| known.result == *ty).cloned().collect();
        if fitting.is_empty() {
            return self.simple(ty, depth - 1);
        }
        let at = self.below(fitting.len());
        self.call_of(&fitting[at], depth)
    }

    /// A call of one of the program's functions, sometimes with an argument too few or too many.
    pub(crate) fn call_of(&mut self, known: &Known, depth: u32) -> Expr {
        let mut arguments = Vec::new();
        let mut named = false;
        for (name, ty, optional) in &known.parameters {
            if *optional && self.below(2) == 0 || self.once_in(60) {
                named = true;
                continue;
            }
            named = named || self.once_in(3);
            let value = self.expr(ty, depth.saturating_sub(1));
            arguments.push(Argument { name: named.then(|| name.clone()), value });
        }
        if self.once_in(60) {
            let name = named.then(|| "surplus".to_owned());
            arguments.push(Argument { name, value: self.literal(&Ty::Int, 0) });
        }
        Expr::Call { function: known.name.clone(), arguments }
    }

    // ---------------------------------------------------------------------------------- names bound inside

    /// A name for a lambda's or comprehension's variable; it may hide another.
    fn inner_name(&mut self) -> String {
        self.choices.pick(&["x", "y", "z", "w"]).to_owned()
    }

    fn comprehension(&mut self, kind: Kind, element: &Ty, depth: u32) -> Expr {
        let (targets, types, over) = self.iteration(depth);
        let mark = self.names.len();
        self.names.extend(targets.iter().cloned().zip(types));
        let filter = self.once_in(3).then(|| self.condition(depth.saturating_sub(1)));
        let kind = match kind {
            Kind::Dict { parenthesised, .. } => {
                let ty = hashable(&mut self.choices);
                Kind::Dict { key: self.expr(&ty, depth.saturating_sub(1)), parenthesised }
            }
            other => other,
        };
        let element = self.expr(element, depth.saturating_sub(1));
        self.names.truncate(mark);
        Expr::Comprehension(Box::new(Comprehension { kind, element, targets, over, filter }))
    }

    /// Targets, their types, and what to take them from. Pairs come from what gives pairs only: a wrong number of
    /// targets is bound otherwise than in Python (section 5).
    pub(crate) fn iteration(&mut self, depth: u32) -> (Vec<String>, Vec<Ty>, Expr) {
        let inner = depth.saturating_sub(1);
        if self.once_in(4) {
            let (a, b) = (hashable(&mut self.choices), ordinary(&mut self.choices, 1));
            let over = match self.below(3) {
                0 => {
                    let dict =
                        self.expr_without_surprise(&Ty::Dict(Box::new(a.clone()), Box::new(b.clone())));
                    Expr::method(dict, "items", Vec::new())
                }
                1 => {
                    let left = self.matching(&Pattern::Iter(Box::new(Pattern::Exact(a.clone()))), inner);
                    let right = self.matching(&Pattern::Iter(Box::new(Pattern::Exact(b.clone()))), inner);
                    Expr::call("zip", vec![left, right])
                }
                _ => {
                    let over = self.matching(&Pattern::Iter(Box::new(Pattern::Exact(b.clone()))), inner);
                    let over = Expr::call("enumerate", vec![over]);
                    return (vec!["x".to_owned(), "y".to_owned()], vec![Ty::Int, b], over);
                }
            };
            return (vec!["x".to_owned(), "y".to_owned()], vec![a, b], over);
        }
        let ty = ordinary(&mut self.choices, 1);
        let over = self.matching(&Pattern::Iter(Box::new(Pattern::Exact(ty.clone()))), inner);
        (vec![self.inner_name()], vec![ty], over)
    }

    fn expr_without_surprise(&mut self, ty: &Ty) -> Expr {
        self.literal(ty, 1)
    }

    pub(crate) fn lambda(&mut self, parameters: &[Ty], result: &Ty, depth: u32) -> Expr {
        let mark = self.names.len();
        let mut named: Vec<Parameter> = Vec::new();
        for ty in parameters {
            let mut name = self.inner_name();
            while named.iter().any(|parameter| parameter.name == name) {
                name.push('1');
            }
            self.names.push((name.clone(), ty.clone()));
            named.push(Parameter { name, default: None });
        }
        let body = self.boxed(result, depth.saturating_sub(1));
        self.names.truncate(mark);
        Expr::Lambda { parameters: named, body }
    }

    // ---------------------------------------------------------------------------------- calls

    /// A call of a builtin or method whose result has the type.
    fn called(&mut self, ty: &Ty, depth: u32) -> Expr {
        if *ty == Ty::Str && self.once_in(10) {
            return formats::format_method(self, depth - 1);
        }
        let fitting: Vec<(&Signature, Bindings)> = signatures::all()
            .iter()
            .filter_map(|signature| {
                let mut bindings = Bindings::new();
                unify(&signature.result, ty, &mut bindings).then_some((signature, bindings))
            })
            .collect();
        if fitting.is_empty() {
            return self.simple(ty, depth - 1);
        }
        let at = self.below(fitting.len());
        let (signature, bindings) = &fitting[at];
        self.call(signature, bindings.clone(), depth - 1)
    }

    /// Any call at all, within the theme.
    pub(crate) fn any_call(&mut self, depth: u32) -> (Expr, Option<Ty>) {
        let theme = self.theme;
        let all: Vec<&Signature> =
            signatures::all().iter().filter(|signature| fits(signature, theme)).collect();
        let at = self.below(all.len());
        let signature = all[at];
        let mut bindings = Bindings::new();
        let call = self.call_binding(signature, &mut bindings, depth);
        let set = match &signature.result {
            Pattern::Set(_) => Some(Ty::Set(Box::new(Ty::Int))),
            _ => None,
        };
        (call, set)
    }

    fn call(&mut self, signature: &Signature, mut bindings: Bindings, depth: u32) -> Expr {
        self.call_binding(signature, &mut bindings, depth)
    }

    fn call_binding(&mut self, signature: &Signature, bindings: &mut Bindings, depth: u32) -> Expr {
        let receiver = signature.receiver.as_ref().map(|pattern| self.bound(pattern, bindings, depth));
        let arguments = self.arguments(&signature.params, bindings, depth);
        match receiver {
            Some(receiver) => {
                Expr::Method { receiver: Box::new(receiver), name: signature.name.clone(), arguments }
            }
            None => Expr::Call { function: signature.name.clone(), arguments },
        }
    }

    fn arguments(&mut self, params: &[Param], bindings: &mut Bindings, depth: u32) -> Vec<Argument> {
        let mut arguments = Vec::new();
        let mut named = false;
        for param in params {
            if param.optional && self.below(2) == 0 {
                named = true;
                continue;
            }
            if named && param.name.is_none() {
                break;
            }
            named = param.name.is_some() && (named || param.only_named || self.below(2) == 0);
            let mut value = self.bound(&param.pattern, bindings, depth);
            if self.once_in(30) {
                let ty = self.ordinary();
                value = self.simple(&ty, 1);
            }
            arguments.push(Argument { name: param.name.clone().filter(|_| named), value });
        }
        if self.once_in(60) {
            arguments.pop();
        }
        // Nothing else by name: which of several complaints comes first is not said.
        if arguments.iter().all(|argument| argument.name.is_none()) && self.once_in(60) {
            let name = named.then(|| "surplus".to_owned());
            arguments.push(Argument { name, value: self.literal(&Ty::Int, 0) });
        }
        arguments
    }

    fn bound(&mut self, pattern: &Pattern, bindings: &mut Bindings, depth: u32) -> Expr {
        let pattern = self.filled(pattern, bindings);
        self.matching(&pattern, depth)
    }

    /// The pattern without variables; those not bound yet are chosen.
    fn filled(&mut self, pattern: &Pattern, bindings: &mut Bindings) -> Pattern {
        match pattern {
            Pattern::Variable(name) => {
                if let Some((_, ty)) = bindings.iter().find(|(known, _)| known == name) {
                    return Pattern::Exact(ty.clone());
                }
                let ty = match name {
                    'O' | 'P' => orderable(&mut self.choices),
                    'K' => hashable(&mut self.choices),
                    _ => ordinary(&mut self.choices, 1),
                };
                bindings.push((*name, ty.clone()));
                Pattern::Exact(ty)
            }
            Pattern::List(element) => Pattern::List(Box::new(self.filled(element, bindings))),
            Pattern::Set(element) => Pattern::Set(Box::new(self.filled(element, bindings))),
            Pattern::Iter(element) => Pattern::Iter(Box::new(self.filled(element, bindings))),
            Pattern::Bag(element) => Pattern::Bag(Box::new(self.filled(element, bindings))),
            Pattern::Tuple(elements) => {
                Pattern::Tuple(elements.iter().map(|element| self.filled(element, bindings)).collect())
            }
            Pattern::Dict(key, value) => {
                let key = self.filled(key, bindings);
                Pattern::Dict(Box::new(key), Box::new(self.filled(value, bindings)))
            }
            Pattern::Function(parameters, result) => {
                let parameters =
                    parameters.iter().map(|parameter| self.filled(parameter, bindings)).collect();
                Pattern::Function(parameters, Box::new(self.filled(result, bindings)))
            }
            Pattern::Or(patterns) => {
                let at = self.below(patterns.len());
                self.filled(&patterns[at], bindings)
            }
            other => other.clone(),
        }
    }

    /// An expression for a pattern without variables.
    fn matching(&mut self, pattern: &Pattern, depth: u32) -> Expr {
        if let Some(ty) = exact(pattern) {
            return self.expr(&ty, depth);
        }
        match pattern {
            Pattern::Sized => {
                let ty = match self.below(7) {
                    0 | 1 => Ty::Str,
                    2 => Ty::List(Box::new(self.ordinary())),
                    3 => Ty::Dict(Box::new(Ty::Str), Box::new(self.ordinary())),
                    4 => Ty::Set(Box::new(hashable(&mut self.choices))),
                    5 => Ty::Tuple(vec![self.ordinary()]),
                    _ => Ty::Range,
                };
                self.expr(&ty, depth)
            }
            Pattern::Number => {
                let ty = self.choices.pick(&[0, 1, 2]);
                self.expr(&[Ty::Int, Ty::Float, Ty::Bool][ty], depth)
            }
            Pattern::Size => {
                if self.once_in(12) {
                    return self.expr(&Ty::Int, depth.min(1));
                }
                Expr::int(literals::small(&mut self.choices))
            }
            Pattern::Char => {
                let character = literals::character(&mut self.choices);
                literals::quoted(&mut self.choices, &character.to_string())
            }
            Pattern::Function(parameters, result) => {
                let parameters: Vec<Ty> = parameters.iter().filter_map(exact).collect();
                let result = exact(result).unwrap_or(Ty::Int);
                if parameters.len() == 1 && self.once_in(4) {
                    let name = match (&parameters[0], &result) {
                        (Ty::Str | Ty::List(_), Ty::Int) => "len",
                        (_, Ty::Str) => "str",
                        (Ty::Int | Ty::Float, _) => "abs",
                        _ => "bool",
                    };
                    return Expr::name(name);
                }
                self.lambda(&parameters, &result, depth)
            }
            Pattern::Iter(element) => {
                let ty = exact(element).unwrap_or_else(|| self.ordinary());
                self.iterable(&ty, depth)
            }
            Pattern::Bag(element) => {
                let ty = exact(element).unwrap_or_else(|| self.ordinary());
                if hashes(&ty) && self.once_in(3) {
                    return self.expr(&Ty::Set(Box::new(ty)), depth);
                }
                self.iterable(&ty, depth)
            }
            _ => {
                let ty = self.ordinary();
                self.expr(&ty, depth)
            }
        }
    }

    /// Something that gives elements of a type, in an order.
    fn iterable(&mut self, ty: &Ty, depth: u32) -> Expr {
        let list = Ty::List(Box::new(ty.clone()));
        if depth == 0 || self.choices.spent() {
            return self.simple(&list, depth);
        }
        let inner = depth - 1;
        match (self.below(12), ty) {
            (0, Ty::Str) => self.expr(&Ty::Str, inner),
            (0 | 1, Ty::Int) => self.expr(&Ty::Range, inner),
            (0 | 1, Ty::Tuple(pair)) if pair.len() == 2 => {
                let patterns = pair.iter().map(|ty| Pattern::Iter(Box::new(Pattern::Exact(ty.clone()))));
                let patterns: Vec<Pattern> = patterns.collect();
                if pair[0] == Ty::Int && self.below(2) == 0 {
                    let over = self.matching(&patterns[1], inner);
                    let mut arguments = vec![Argument { name: None, value: over }];
                    if self.once_in(3) {
                        let value = Expr::int(literals::small(&mut self.choices));
                        arguments.push(Argument { name: Some("start".to_owned()), value });
                    }
                    return Expr::Call { function: "enumerate".to_owned(), arguments };
                }
                let parts = patterns.iter().map(|pattern| self.matching(pattern, inner)).collect();
                Expr::call("zip", parts)
            }
            (2, _) => Expr::call("reversed", vec![self.expr(&list, inner)]),
            (3, _) => {
                let from = self.ordinary();
                let function = self.lambda(std::slice::from_ref(&from), ty, inner);
                Expr::call("map", vec![function, self.iterable(&from, inner)])
            }
            (4, _) => {
                let function = self.lambda(std::slice::from_ref(ty), &Ty::Bool, inner);
                Expr::call("filter", vec![function, self.iterable(ty, inner)])
            }
            (5, _) => {
                let key = hashable(&mut self.choices);
                let dict = self.expr(&Ty::Dict(Box::new(key), Box::new(ty.clone())), inner);
                Expr::method(dict, "values", Vec::new())
            }
            (6, _) if hashes(ty) => {
                let value = self.ordinary();
                let dict = self.expr(&Ty::Dict(Box::new(ty.clone()), Box::new(value)), inner);
                if self.below(2) == 0 { dict } else { Expr::method(dict, "keys", Vec::new()) }
            }
            (7, _) => self.expr(&Ty::Tuple(vec![ty.clone(), ty.clone(), ty.clone()]), inner),
            _ => self.expr(&list, inner),
        }
    }
}

fn hashes(ty: &Ty) -> bool {
    match ty {
        Ty::Tuple(elements) => elements.iter().all(hashes),
        Ty::List(_) | Ty::Dict(..) | Ty::Set(_) => false,
        _ => true,
    }
}

fn fits(signature: &Signature, theme: Theme) -> bool {
    match (theme, &signature.receiver) {
        (Theme::Texts, Some(Pattern::Exact(ty))) => *ty == Ty::Str,
        (Theme::Texts, _) => matches!(signature.name.as_str(), "int" | "float" | "ord" | "sorted" | "len"),
        (Theme::Collections, Some(receiver)) => {
            matches!(receiver, Pattern::List(_) | Pattern::Dict(..) | Pattern::Set(_) | Pattern::Tuple(_))
        }
        (Theme::Collections, None) => {
            !matches!(signature.name.as_str(), "int" | "float" | "round" | "abs" | "ord")
        }
        (Theme::Numbers, Some(Pattern::Exact(ty))) => matches!(ty, Ty::Int | Ty::Float),
        (Theme::Numbers, None) => matches!(
            signature.name.as_str(),
            "int" | "float" | "round" | "abs" | "sum" | "max" | "min" | "str" | "range"
        ),
        (Theme::Numbers, Some(_)) => false,
        _ => true,
    }
}

/// The type a pattern stands for, when it stands for one.
fn exact(pattern: &Pattern) -> Option<Ty> {
    Some(match pattern {
        Pattern::Exact(ty) => ty.clone(),
        Pattern::List(element) => Ty::List(Box::new(exact(element)?)),
        Pattern::Set(element) => Ty::Set(Box::new(exact(element)?)),
        Pattern::Dict(key, value) => Ty::Dict(Box::new(exact(key)?), Box::new(exact(value)?)),
        Pattern::Tuple(elements) => Ty::Tuple(elements.iter().map(exact).collect::<Option<_>>()?),
        _ => return None,
    })
}

/// Whether a result of that pattern can have the type, and what its variables stand for then.
fn unify(pattern: &Pattern, ty: &Ty, bindings: &mut Bindings) -> bool {
    match (pattern, ty) {
        (Pattern::Exact(wanted), _) => wanted == ty,
        (Pattern::Variable(_), Ty::Set(_)) => false,
        (Pattern::Variable('K'), _) if !hashes(ty) => false,
        (Pattern::Variable('O' | 'P'), _) if !hashes(ty) || matches!(ty, Ty::None | Ty::Range) => false,
        (Pattern::Variable(name), _) => match bindings.iter().find(|(known, _)| known == name) {
            Some((_, known)) => known == ty,
            None => {
                bindings.push((*name, ty.clone()));
                true
            }
        },
        (Pattern::List(pattern), Ty::List(ty)) | (Pattern::Set(pattern), Ty::Set(ty)) => {
            unify(pattern, ty, bindings)
        }
        (Pattern::Dict(key, value), Ty::Dict(key_ty, value_ty)) => {
            unify(key, key_ty, bindings) && unify(value, value_ty, bindings)
        }
        (Pattern::Tuple(patterns), Ty::Tuple(types)) => {
            patterns.len() == types.len()
                && patterns.iter().zip(types).all(|(pattern, ty)| unify(pattern, ty, bindings))
        }
        _ => false,
    }
}

impl Generator<'_> {
    /// A call of some method of a value of that type.
    pub(crate) fn method_of(&mut self, receiver: Expr, ty: &Ty) -> Expr {
        let fitting: Vec<(&Signature, Bindings)> = signatures::all()
            .iter()
            .filter_map(|signature| {
                let mut bindings = Bindings::new();
                let pattern = signature.receiver.as_ref()?;
                unify(pattern, ty, &mut bindings).then_some((signature, bindings))
            })
            .collect();
        if fitting.is_empty() {
            return Expr::call("len", vec![receiver]);
        }
        let at = self.below(fitting.len());
        let (signature, bindings) = &fitting[at];
        let arguments = self.arguments(&signature.params, &mut bindings.clone(), 2);
        let call = Expr::Method { receiver: Box::new(receiver), name: signature.name.clone(), arguments };
        if matches!(signature.result, Pattern::Set(_)) { Expr::call("sorted", vec![call]) } else { call }
    }
}
