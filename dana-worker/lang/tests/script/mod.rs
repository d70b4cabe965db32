//! The host that a program of `tests/language/` talks to: modules from a folder, replies from a script.
//!
//! Beside `name.na` may stand a folder `name/` with the modules it imports, and `name.replies` with what the model says:
//! a line `>>> part of the question` and then the reply, which ends at the next such line. The first reply not yet given
//! whose part occurs in the question's last message is given. A reply `!!` stands for a model that fails.

use std::path::{Path, PathBuf};

use dana_wire::{Budget, Datum, Outcome, Question};

pub(crate) struct Script {
    modules: PathBuf,
    /// Part of the question, reply, whether it was given.
    replies: Vec<(String, String, bool)>,
    /// All questions to the model, as `.asked` shows them.
    pub(crate) asked: String,
}

impl Script {
    pub(crate) fn beside(program: &Path) -> Script {
        let text = std::fs::read_to_string(program.with_extension("replies")).unwrap_or_default();
        let mut replies: Vec<(String, String, bool)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix(">>>"), replies.last_mut()) {
                (Some(part), _) => replies.push((part.trim().to_owned(), String::new(), false)),
                (None, Some((_, reply, _))) => {
                    if !reply.is_empty() {
                        reply.push('\n');
                    }
                    reply.push_str(line);
                }
                (None, None) => panic!("{}: a reply before the first '>>>'", program.display()),
            }
        }
        Script { modules: program.with_extension(""), replies, asked: String::new() }
    }

    /// The answer to an ask, with its payload.
    pub(crate) fn answer(&mut self, question: &Question) -> (Outcome, Vec<u8>) {
        let found = match question {
            Question::Reason { messages, .. } => {
                self.asked.push_str("===\n");
                for message in messages {
                    self.asked.push_str(&format!("[{}] {}\n", message.role, message.content));
                }
                self.reply(messages.last().map_or("", |message| &message.content))
            }
            Question::Module { name, .. } => self.module(name),
            Question::Function { name, .. } => Err(("ResourceError", format!("nobody answers {name}"))),
        };
        match found {
            Ok(value) => (Outcome::Value, value.encode(&Budget::FROM_HOST).expect("within the budget")),
            Err((kind, message)) => (Outcome::Failed { kind: kind.to_owned(), message }, Vec::new()),
        }
    }

    fn reply(&mut self, question: &str) -> Result<Datum, (&'static str, String)> {
        let next =
            self.replies.iter_mut().find(|(part, _, given)| !given && question.contains(part.as_str()));
        match next {
            Some((_, reply, given)) => {
                *given = true;
                if reply == "!!" {
                    return Err(("ModelError", "the model gave no answer; the host was told why".to_owned()));
                }
                Ok(Datum::Str(reply.clone()))
            }
            None => Err(("ModelError", format!("no reply is left for: {question}"))),
        }
    }

    /// As the Python package finds modules, below one folder.
    fn module(&self, name: &str) -> Result<Datum, (&'static str, String)> {
        let base = name.split('.').fold(self.modules.clone(), |folder, part| folder.join(part));
        for (path, package) in [(base.with_extension("na"), false), (base.join("__init__.na"), true)] {
            if let Ok(source) = std::fs::read_to_string(&path) {
                let shown = path.strip_prefix(&self.modules).expect("below").to_string_lossy().into_owned();
                return Ok(answered(source, shown, package));
            }
        }
        if base.is_dir() {
            return Ok(answered(String::new(), name.replace('.', "/"), true));
        }
        Err(("ModuleNotFoundError", format!("No Dana module named '{name}'")))
    }
}

fn answered(source: String, filename: String, package: bool) -> Datum {
    let text = |text: &str| Datum::Str(text.to_owned());
    Datum::Dict(vec![
        (text("source"), Datum::Str(source)),
        (text("filename"), Datum::Str(filename)),
        (text("package"), Datum::Bool(package)),
    ])
}
