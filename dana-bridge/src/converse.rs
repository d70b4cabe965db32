//! One turn: a request in; any number of messages and asks; exactly one last word out.
//!
//! The rule: a message is accepted only where it has a place, the first that has none ends the
//! session, and only a `Done` is success.

use dana_wire::{Fault, ToHost, Usage};

use crate::asks;
use crate::link::Link;
use crate::stop::Stop;
use crate::watch::{Watch, out_of_turn};

/// What kind of request a turn began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Call,
    Get,
    Set,
    Snapshot,
}

/// One turn of a session.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    /// The session's newest ask; their numbers only grow, so that none is answered twice.
    pub(crate) last_ask: Option<u32>,
}

/// The last word of a turn.
#[derive(Debug)]
pub(crate) enum LastWord {
    /// The value is the link's payload.
    Done(Usage),
    Failed(Fault),
}

/// Sends what was composed and converses until the turn's last word.
pub(crate) fn converse(
    link: &mut dyn Link,
    watch: &mut Watch<'_>,
    turn: &mut Turn,
) -> Result<LastWord, Stop> {
    link.dispatch(watch)?;
    let word = loop {
        match link.receive(watch)? {
            ToHost::Ask { ask, question } => asks::answer(link, watch, turn, ask, &question)?,
            ToHost::Done { turn: number, usage } if number == turn.number => break LastWord::Done(usage),
            ToHost::Failed { turn: number, fault, .. } if number == turn.number => {
                break LastWord::Failed(fault);
            }
            other @ (ToHost::Output { .. } | ToHost::Log { .. } | ToHost::Pulse { .. }) => {
                watch.notice(&other)?;
            }
            other => return Err(out_of_turn(&other)),
        }
    };
    if !link.is_quiet() {
        return Err(Stop::Violation("it went on after the last word of a turn".to_owned()));
    }
    Ok(word)
}
