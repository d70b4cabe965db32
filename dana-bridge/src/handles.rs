//! Which functions of the interpreter Python still holds.
//!
//! The rule: a handle is released once, when the last Python object for it is gone, and not before
//! the next turn: an object may be dropped anywhere, at any time, even while a turn is under way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Handles a session may have outstanding: each holds a closure in the interpreter.
const MOST: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Handles {
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Python objects for each handle.
    holders: HashMap<u64, usize>,
    /// Handles that had none at some time since the last turn.
    dropped: Vec<u64>,
}

impl Handles {
    /// Python got another object for this handle. False if it holds too many.
    pub(crate) fn hold(&self, handle: u64) -> bool {
        let holders = &mut self.ledger().holders;
        if holders.len() >= MOST && !holders.contains_key(&handle) {
            return false;
        }
        *holders.entry(handle).or_default() += 1;
        true
    }

    /// One of these objects is gone.
    pub(crate) fn let_go(&self, handle: u64) {
        let mut ledger = self.ledger();
        if let Some(count) = ledger.holders.get_mut(&handle) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                ledger.dropped.push(handle);
            }
        }
    }

    /// Up to `most` handles nobody holds any more; forgets them.
    pub(crate) fn released(&self, most: usize) -> Vec<u64> {
        let mut ledger = self.ledger();
        let keep = ledger.dropped.len().saturating_sub(most);
        let dropped = ledger.dropped.split_off(keep);
        // Some may have been sent again meanwhile, or be listed twice.
        dropped
            .into_iter()
            .filter(|handle| {
                ledger.holders.get(handle) == Some(&0) && ledger.holders.remove(handle).is_some()
            })
            .collect()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
