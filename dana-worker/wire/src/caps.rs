//! How much each field of a message may hold, and how many values its payload must. One table a
//! direction; senders are held to it as readers are.

use crate::message::{
    Assertion, Fault, Hello, HostFunction, Message, Outcome, Question, Start, Target, ToHost, ToWorker,
    TraceFrame,
};
use crate::name::NAME_BYTES;
use crate::violation::{Allowance, Violation};

/// Bytes of a program, of what a program printed at once, or of a prompt's messages together.
pub const TEXT_BYTES: usize = 16 << 20;
/// Bytes of an error message, a log line, a JSON schema or a layer's detail.
pub const MESSAGE_BYTES: usize = 64 << 10;
/// Bytes of a file name, a source line, a hint or a module name.
pub const LINE_BYTES: usize = 4 << 10;
/// Arguments by keyword.
pub const KEYWORDS: usize = 1 << 10;
/// Functions of the host a session may know.
pub const FUNCTIONS: usize = 4 << 10;
/// Handles released at once.
pub const HANDLES: usize = 64 << 10;
/// Messages of one conversation with a model.
pub const MESSAGES: usize = 1 << 10;
/// Layers a worker may claim.
pub const LAYERS: usize = 64;
/// Calls shown in a trace.
pub const TRACE_FRAMES: usize = 256;
/// Faults behind a fault.
pub const CAUSES: usize = 8;

/// Operands of a failed assertion, and parts of each that are told.
pub const OPERANDS: usize = 24;
pub const PARTS: usize = 256;
/// Bytes of all texts of a failed assertion together.
pub const ASSERTION_BYTES: usize = 64 << 10;

/// A message that can stand at the head of a frame.
pub trait Capped {
    /// Refuses fields beyond their caps.
    fn check(&self) -> Result<(), Violation>;
    /// How many values must follow in the payload.
    fn values(&self) -> usize;
}

impl Capped for ToWorker {
    fn check(&self) -> Result<(), Violation> {
        match self {
            ToWorker::Start(Start { functions, .. }) => check_functions(functions),
            ToWorker::Register { functions } => check_functions(functions),
            ToWorker::Run { filename, source, .. } => {
                optional("filename", filename.as_deref(), LINE_BYTES)?;
                bytes("source", source, TEXT_BYTES)
            }
            ToWorker::Call { target, keywords: names, .. } => {
                if let Target::Name(name) = target {
                    bytes("target", name, LINE_BYTES)?;
                }
                keywords(names)
            }
            ToWorker::Get { name, .. } | ToWorker::Set { name, .. } => bytes("name", name, LINE_BYTES),
            ToWorker::Describe { module, .. } => optional("module", module.as_deref(), LINE_BYTES),
            ToWorker::Snapshot { .. } | ToWorker::Answer { outcome: Outcome::Value, .. } => Ok(()),
            ToWorker::Answer { outcome: Outcome::Failed { kind, message }, .. } => {
                bytes("kind", kind, NAME_BYTES)?;
                bytes("message", message, MESSAGE_BYTES)
            }
            ToWorker::Answer { outcome: Outcome::Limit { message }, .. } => {
                bytes("message", message, MESSAGE_BYTES)
            }
            ToWorker::Release { handles } => count("handles", handles.len(), HANDLES),
        }
    }

    fn values(&self) -> usize {
        match self {
            ToWorker::Call { positional, keywords, .. } => arguments(*positional, keywords),
            ToWorker::Set { .. } | ToWorker::Answer { outcome: Outcome::Value, .. } => 1,
            ToWorker::Start(_)
            | ToWorker::Run { .. }
            | ToWorker::Get { .. }
            | ToWorker::Snapshot { .. }
            | ToWorker::Describe { .. }
            | ToWorker::Answer { .. }
            | ToWorker::Register { .. }
            | ToWorker::Release { .. } => 0,
        }
    }
}

impl Capped for ToHost {
    fn check(&self) -> Result<(), Violation> {
        match self {
            ToHost::Hello(hello) => check_hello(hello),
            ToHost::Started | ToHost::Done { .. } => Ok(()),
            ToHost::Output { text } => bytes("text", text, TEXT_BYTES),
            ToHost::Log { text, .. } => bytes("text", text, MESSAGE_BYTES),
            ToHost::Ask { question, .. } => check_question(question),
            ToHost::Pulse { file, .. } => optional("file", file.as_deref(), LINE_BYTES),
            ToHost::Failed { fault, .. } => check_fault(fault, CAUSES),
        }
    }

    fn values(&self) -> usize {
        match self {
            ToHost::Done { .. } | ToHost::Ask { question: Question::Reason { .. }, .. } => 1,
            ToHost::Ask { question: Question::Function { positional, keywords, .. }, .. } => {
                arguments(*positional, keywords)
            }
            ToHost::Ask { question: Question::Module { .. }, .. }
            | ToHost::Hello(_)
            | ToHost::Started
            | ToHost::Output { .. }
            | ToHost::Log { .. }
            | ToHost::Pulse { .. }
            | ToHost::Failed { .. } => 0,
        }
    }
}

impl Fault {
    /// Cuts every field to its cap, so that the fault can be sent. Of a long trace the outermost
    /// and the innermost calls stay.
    pub fn fit(&mut self) {
        let mut next = Some(self);
        let mut left = CAUSES;
        while let Some(fault) = next {
            clip(&mut fault.kind, NAME_BYTES);
            clip(&mut fault.message, MESSAGE_BYTES);
            for line in [&mut fault.file, &mut fault.excerpt, &mut fault.hint].into_iter().flatten() {
                clip(line, LINE_BYTES);
            }
            if let Some(surplus) = fault.trace.len().checked_sub(TRACE_FRAMES) {
                let outermost = TRACE_FRAMES / 2;
                fault.trace.drain(outermost..outermost + surplus);
            }
            for frame in &mut fault.trace {
                clip(&mut frame.function, NAME_BYTES);
                for line in [&mut frame.file, &mut frame.source].into_iter().flatten() {
                    clip(line, LINE_BYTES);
                }
            }
            // It is made to its caps where the assertion fails; what is not is left out.
            if fault.assertion.as_deref().is_some_and(|assertion| check_assertion(assertion).is_err()) {
                fault.assertion = None;
            }
            if left == 0 {
                fault.cause = None;
            }
            left = left.saturating_sub(1);
            next = fault.cause.as_deref_mut();
        }
    }
}

/// Cuts `text` to at most `most` bytes, between characters, and marks the cut.
pub fn clip(text: &mut String, most: usize) {
    const CUT: &str = "...";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}

fn check_hello(hello: &Hello) -> Result<(), Violation> {
    bytes("build", &hello.build, NAME_BYTES)?;
    count("layers", hello.layers.len(), LAYERS)?;
    hello.layers.iter().try_for_each(|layer| {
        bytes("name", &layer.name, NAME_BYTES)?;
        bytes("detail", &layer.detail, MESSAGE_BYTES)
    })
}

fn check_question(question: &Question) -> Result<(), Violation> {
    match question {
        Question::Reason { purpose, messages, expects, schema } => {
            bytes("purpose", purpose, NAME_BYTES)?;
            optional("expects", expects.as_deref(), MESSAGE_BYTES)?;
            optional("schema", schema.as_deref(), MESSAGE_BYTES)?;
            count("messages", messages.len(), MESSAGES)?;
            messages.iter().try_for_each(|message| bytes("role", &message.role, NAME_BYTES))?;
            let length = |message: &Message| message.content.len();
            count("content", messages.iter().map(length).fold(0, usize::saturating_add), TEXT_BYTES)
        }
        Question::Module { name, from, .. } => {
            bytes("name", name, LINE_BYTES)?;
            optional("from", from.as_deref(), LINE_BYTES)
        }
        Question::Function { name, keywords: names, .. } => {
            bytes("name", name, NAME_BYTES)?;
            keywords(names)
        }
    }
}

fn check_functions(functions: &[HostFunction]) -> Result<(), Violation> {
    count("functions", functions.len(), FUNCTIONS)?;
    functions.iter().try_for_each(|function| bytes("functions", &function.name, NAME_BYTES))
}

fn check_fault(fault: &Fault, causes_left: usize) -> Result<(), Violation> {
    bytes("kind", &fault.kind, NAME_BYTES)?;
    bytes("message", &fault.message, MESSAGE_BYTES)?;
    optional("file", fault.file.as_deref(), LINE_BYTES)?;
    optional("excerpt", fault.excerpt.as_deref(), LINE_BYTES)?;
    optional("hint", fault.hint.as_deref(), LINE_BYTES)?;
    count("trace", fault.trace.len(), TRACE_FRAMES)?;
    fault.trace.iter().try_for_each(|frame: &TraceFrame| {
        bytes("function", &frame.function, NAME_BYTES)?;
        optional("file", frame.file.as_deref(), LINE_BYTES)?;
        optional("source", frame.source.as_deref(), LINE_BYTES)
    })?;
    fault.assertion.as_deref().map_or(Ok(()), check_assertion)?;
    match (&fault.cause, causes_left.checked_sub(1)) {
        (None, _) => Ok(()),
        (Some(cause), Some(left)) => check_fault(cause, left),
        (Some(_), None) => Err(exceeded("cause", CAUSES)),
    }
}

fn check_assertion(assertion: &Assertion) -> Result<(), Violation> {
    bytes("text", &assertion.text, LINE_BYTES)?;
    count("operands", assertion.operands.len(), OPERANDS)?;
    let mut total = 0_usize;
    for operand in &assertion.operands {
        bytes("text", &operand.text, LINE_BYTES)?;
        count("parts", operand.parts.len(), PARTS)?;
        if operand.start > operand.end {
            return Err(exceeded("start", operand.end as usize));
        }
        count("end", operand.end as usize, assertion.text.len())?;
        total = total.saturating_add(operand.text.len());
        for part in &operand.parts {
            bytes("key", &part.key, LINE_BYTES)?;
            bytes("text", &part.text, LINE_BYTES)?;
            total = total.saturating_add(part.key.len()).saturating_add(part.text.len());
        }
    }
    count("assertion", total, ASSERTION_BYTES)?;
    let Some(compared) = &assertion.compared else { return Ok(()) };
    bytes("operator", &compared.operator, NAME_BYTES)?;
    count("compared", compared.left.max(compared.right) as usize, assertion.operands.len().saturating_sub(1))
}

fn keywords(names: &[String]) -> Result<(), Violation> {
    count("keywords", names.len(), KEYWORDS)?;
    names.iter().try_for_each(|name| bytes("keywords", name, NAME_BYTES))
}

fn arguments(positional: u32, keywords: &[String]) -> usize {
    (positional as usize).saturating_add(keywords.len())
}

fn optional(field: &'static str, text: Option<&str>, most: usize) -> Result<(), Violation> {
    text.map_or(Ok(()), |text| bytes(field, text, most))
}

fn bytes(field: &'static str, text: &str, most: usize) -> Result<(), Violation> {
    count(field, text.len(), most)
}

fn count(field: &'static str, found: usize, most: usize) -> Result<(), Violation> {
    if found > most { Err(exceeded(field, most)) } else { Ok(()) }
}

fn exceeded(field: &'static str, limit: usize) -> Violation {
    Violation::Exceeded { what: Allowance::Field(field), limit }
}
