//! One turn: a request in; any number of messages and asks; exactly one last word out.
//!
//! The rule: a message is accepted only where it has a place, the first that has none ends the
//! session, and only a `Done` is success. While asks are being answered the other side is listened to
//! all the time, and answers go out in the order in which they arrive.

use std::thread;
use std::time::{Duration, Instant};

use dana_wire::{Fault, ToHost, Usage};
use pyo3::prelude::*;

use crate::asks::Asks;
use crate::link::{Link, dispatch, is_told};
use crate::stop::Stop;
use crate::watch::Watch;

/// What kind of request a turn began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Call,
    Get,
    Set,
    Snapshot,
    Describe,
    /// A description of a module, which is imported first.
    Import,
}

/// The last word of a turn.
#[derive(Debug)]
pub(crate) enum LastWord {
    /// The value is the link's payload.
    Done(Usage),
    Failed(Fault, Usage),
}

/// Sends what was composed and converses until the last word of the turn `number`.
pub(crate) fn converse(link: &mut dyn Link, watch: &mut Watch<'_>, number: u32) -> Result<LastWord, Stop> {
    dispatch(link, watch)?;
    listen(link, watch, number)
}

/// The same for a request that has left, or has begun to.
pub(crate) fn listen(link: &mut dyn Link, watch: &mut Watch<'_>, number: u32) -> Result<LastWord, Stop> {
    while !is_told(link)? {
        link.wait(watch)?;
    }
    loop {
        if let Some(word) = advance(link, watch, number)? {
            return Ok(word);
        }
        link.wait(watch)?;
    }
}

/// Sends what was composed and looks for the last word for so long, without waiting for anything. `None` is not yet.
pub(crate) fn look_out(
    link: &mut dyn Link,
    watch: &mut Watch<'_>,
    number: u32,
    time: Duration,
) -> Result<Option<LastWord>, Stop> {
    let began = Instant::now();
    link.send(watch)?;
    while is_told(link)? && began.elapsed() < time {
        link.look_again();
        if let Some(word) = advance(link, watch, number)? {
            return Ok(Some(word));
        }
        // The worker may want this very processor.
        thread::yield_now();
    }
    Ok(None)
}

/// Goes on with a turn as far as it goes without waiting. `None` is not yet.
pub(crate) fn advance(
    link: &mut dyn Link,
    watch: &mut Watch<'_>,
    number: u32,
) -> Result<Option<LastWord>, Stop> {
    while watch.last.is_none() {
        if link.is_sent() && watch.asks.are_due() && compose_answer(link, watch)? {
            link.send(watch)?;
        }
        match link.poll()? {
            None if link.is_sent() && watch.asks.are_due() => {}
            None => return Ok(None),
            Some(ToHost::Done { turn, usage }) if turn == number => {
                // A program ends when all it asked for is there.
                if watch.asks.are_open() || !link.is_sent() {
                    return Err(Stop::Violation("it ended a turn before its asks were answered".to_owned()));
                }
                watch.last = Some(LastWord::Done(usage));
            }
            Some(ToHost::Failed { turn, fault, usage }) if turn == number => {
                watch.last = Some(LastWord::Failed(fault, usage));
            }
            Some(other) => watch.notice(&other, link.payload())?,
        }
    }
    // The rest of an answer under way must go out: the next request follows it.
    if !link.is_sent() {
        return Ok(None);
    }
    if !link.is_quiet() {
        return Err(Stop::Violation("it went on after the last word of a turn".to_owned()));
    }
    Ok(watch.last.take())
}

/// Composes the answer that came first of those not yet sent. False if none is there.
fn compose_answer(link: &mut dyn Link, watch: &mut Watch<'_>) -> Result<bool, Stop> {
    let session = watch.session;
    watch.with_asks(|_, asks: &mut Asks| {
        Python::attach(|py| {
            let session = session.bind(py);
            asks.collect(session)?;
            asks.compose(link, session)
        })
    })
}
