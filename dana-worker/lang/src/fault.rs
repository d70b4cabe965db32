//! Errors on their way to the host: kind, message, place, trace and hint.

use dana_wire::{CAUSES, Fault, TraceFrame};

use crate::value::ErrorObj;

/// What the host is told of an error that ended a turn. Fits the wire's caps.
pub fn fault(error: &ErrorObj) -> Fault {
    let mut fault = with_causes(error, CAUSES);
    fault.fit();
    fault
}

fn with_causes(error: &ErrorObj, causes: usize) -> Fault {
    let place = error.place.borrow();
    let cause = error.cause.borrow();
    let outermost_first = place.trace.iter().rev();
    Fault {
        kind: error.kind().to_owned(),
        message: error.message.clone(),
        file: place.file.as_deref().map(str::to_owned),
        line: place.line,
        column: place.column,
        excerpt: place.excerpt.clone(),
        hint: error.hint.clone(),
        trace: outermost_first
            .map(|frame| TraceFrame {
                function: frame.function.to_string(),
                file: frame.file.as_deref().map(str::to_owned),
                line: frame.line,
                column: frame.column,
                source: (!frame.source.is_empty()).then(|| frame.source.clone()),
            })
            .collect(),
        limit: error.limit,
        syntax: false,
        cause: match &*cause {
            Some(cause) if causes > 1 => Some(Box::new(with_causes(cause, causes - 1))),
            _ => None,
        },
    }
}
