//! Errors on their way to the host: kind, message, place, trace and hint.

use dana_wire::{CAUSES, Fault, TraceFrame};

use crate::value::ErrorObj;
use crate::value::error::Spot;

fn file(spot: &Spot) -> Option<String> {
    spot.file.name.as_deref().map(str::to_owned)
}

/// What the host is told of an error that ended a turn. Fits the wire's caps.
pub fn fault(error: &ErrorObj) -> Fault {
    let mut fault = with_causes(error, CAUSES);
    fault.fit();
    fault
}

fn with_causes(error: &ErrorObj, causes: usize) -> Fault {
    let place = error.place.borrow();
    let position = place.at.as_ref().map(Spot::position);
    let cause = error.cause.borrow();
    let outermost_first = place.trace.iter().rev();
    Fault {
        kind: error.kind().to_owned(),
        message: error.message.clone(),
        file: place.at.as_ref().and_then(file),
        line: position.map_or(0, |position| position.line),
        column: position.map_or(0, |position| position.column),
        excerpt: place.at.as_ref().map(|spot| spot.excerpt().to_owned()),
        hint: error.hint.clone(),
        trace: outermost_first
            .map(|frame| {
                let position = frame.at.position();
                let source = frame.at.excerpt();
                TraceFrame {
                    function: frame.function.to_string(),
                    file: file(&frame.at),
                    line: position.line,
                    column: position.column,
                    source: (!source.is_empty()).then(|| source.to_owned()),
                }
            })
            .collect(),
        limit: error.limit,
        syntax: false,
        ask: error.ask,
        cause: match &*cause {
            Some(cause) if causes > 1 => Some(Box::new(with_causes(cause, causes - 1))),
            _ => None,
        },
        assertion: error.assertion.clone(),
    }
}
