//! Whether both languages said the same of a program.

use std::io;

use super::interpreter;
use super::oracle::{End, Oracle};
use super::spell_dana;
use super::spell_python;
use super::statements;

pub(crate) enum Verdict {
    Same,
    Skipped,
    Different(Box<Difference>),
}

/// A program on which they disagree.
pub(crate) struct Difference {
    pub(crate) dana: String,
    pub(crate) python: String,
    pub(crate) found: String,
    pub(crate) wanted: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "--- Dana says\n{}\n--- Python says\n{}\n--- Dana\n{}--- Python\n{}",
            self.found, self.wanted, self.dana, self.python
        )
    }
}

/// Makes a program from bytes and asks both.
pub(crate) fn of(bytes: &[u8], oracle: &mut Oracle) -> io::Result<Verdict> {
    let tree = statements::program(bytes);
    let (dana, python) = (spell_dana::program(&tree), spell_python::program(&tree));
    let (printed, wanted) = oracle.run(&python)?;
    if let End::Skipped(_) = wanted {
        return Ok(Verdict::Skipped);
    }
    // The result is nothing that could not be sent.
    let (output, found) = interpreter::run(&format!("{dana}none\n"));
    if let End::Skipped(_) = found {
        return Ok(Verdict::Skipped);
    }
    // Messages are those of Python 3.12; 3.11 has them too, others word some differently.
    let words = matches!(oracle.minor, 11 | 12);
    let same = ends_agree(&found, &wanted, words) && outputs_agree(&output, &printed, words);
    Ok(if same {
        Verdict::Same
    } else {
        let (found, wanted) = first_difference(&output, &found, &printed, &wanted, words);
        Verdict::Different(Box::new(Difference { dana, python, found, wanted }))
    })
}

fn ends_agree(found: &End, wanted: &End, words: bool) -> bool {
    match (found, wanted) {
        (End::Failed { kind, message }, End::Failed { kind: wanted_kind, message: wanted_message }) => {
            errors_agree((kind, message), (wanted_kind, wanted_message), words)
        }
        _ => found == wanted,
    }
}

/// What is printed consists of records: `\x01E kind \x02 message \x02` for an error that the program caught, and others.
fn outputs_agree(found: &str, wanted: &str, words: bool) -> bool {
    found == wanted
        || (found.matches('\x01').count() == wanted.matches('\x01').count()
            && found
                .split('\x01')
                .zip(wanted.split('\x01'))
                .all(|(found, wanted)| records_agree(found, wanted, words)))
}

fn records_agree(found: &str, wanted: &str, words: bool) -> bool {
    if found == wanted {
        return true;
    }
    let parts = |record: &str| -> Option<(String, String, String)> {
        let mut parts = record.strip_prefix('E')?.splitn(3, '\x02').map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    match (parts(found), parts(wanted)) {
        (Some((kind, message, after)), Some((wanted_kind, wanted_message, wanted_after))) => {
            after == wanted_after && errors_agree((&kind, &message), (&wanted_kind, &wanted_message), words)
        }
        _ => false,
    }
}

/// Operators and builtin functions refuse what they cannot use with `SandboxError` (section 13) where Python has a
/// `TypeError`; the words are then Dana's own.
fn errors_agree(
    (kind, message): (&str, &str),
    (wanted_kind, wanted_message): (&str, &str),
    words: bool,
) -> bool {
    match (kind, wanted_kind) {
        ("SandboxError", "TypeError") => true,
        _ => kind == wanted_kind && (!words || message == wanted_message),
    }
}

fn first_difference(found: &str, end: &End, wanted: &str, wanted_end: &End, words: bool) -> (String, String) {
    let pair = found
        .split('\x01')
        .zip(wanted.split('\x01'))
        .find(|(found, wanted)| !records_agree(found, wanted, words));
    match pair {
        Some((found, wanted)) => (format!("{found:?}"), format!("{wanted:?}")),
        None => (format!("{end:?}"), format!("{wanted_end:?}")),
    }
}
