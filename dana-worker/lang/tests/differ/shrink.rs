//! A smaller case that still shows a difference.

use std::io;

use crate::differ::oracle::Oracle;
use crate::differ::verdict::{self, Verdict};

/// Bytes that still make a program on which the two disagree, with parts taken out and others made zero.
pub(crate) fn shrunk(bytes: &[u8], oracle: &mut Oracle) -> io::Result<Vec<u8>> {
    let mut best = bytes.to_vec();
    let mut tries = 3000;
    let mut size = best.len();
    while size > 0 {
        let mut at = 0;
        while at < best.len() && tries > 0 {
            let end = (at + size).min(best.len());
            let without = [&best[..at], &best[end..]].concat();
            let mut zeroed = best.clone();
            zeroed[at..end].fill(0);
            tries -= 1;
            if differs(&without, oracle)? {
                best = without;
            } else if zeroed != best && differs(&zeroed, oracle)? {
                best = zeroed;
                at = end;
            } else {
                at += size.div_ceil(2);
            }
        }
        size /= 2;
    }
    Ok(best)
}

fn differs(bytes: &[u8], oracle: &mut Oracle) -> io::Result<bool> {
    Ok(matches!(verdict::of(bytes, oracle)?, Verdict::Different(_)))
}
