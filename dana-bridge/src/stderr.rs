//! The end of what a worker wrote to its standard error.
//!
//! The rule: it is kept, capped, escaped and shown to people; it is never parsed and never trusted.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::unistd::read;

/// Bytes kept: the newest.
const KEPT: usize = 64 << 10;
/// Bytes after which it is no longer an error report but an attack on the host's time.
const FLOOD: usize = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Tail {
    kept: VecDeque<u8>,
    total: usize,
}

impl Tail {
    /// Takes what has come through a pipe that does not block. False when there will be no more.
    pub(crate) fn drain(&mut self, pipe: BorrowedFd<'_>) -> bool {
        let mut chunk = [0; 4096];
        while !self.is_flooded() {
            match read(pipe, &mut chunk) {
                Ok(0) => return false,
                Ok(count) => {
                    self.total += count;
                    self.kept.extend(chunk.iter().take(count));
                    self.kept.drain(..self.kept.len().saturating_sub(KEPT));
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    pub(crate) fn is_flooded(&self) -> bool {
        self.total > FLOOD
    }

    /// As text without control characters, except line ends.
    pub(crate) fn text(&mut self) -> String {
        escape(&String::from_utf8_lossy(self.kept.make_contiguous()))
    }
}

/// Makes text from a worker safe for a terminal and a log: control and format characters become
/// visible escapes; tabs and line ends stay.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        let formats = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if (char.is_control() && char != '\n' && char != '\t') || formats {
            safe.extend(char.escape_unicode());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// The same for what stands in a table or a line of a log: it cannot pass for two.
pub(crate) fn one_line(text: &str) -> String {
    escape(text).replace('\n', "\\n").replace('\t', "\\t")
}
