//! Last words: what the worker writes on standard error when it cannot go on. The host shows them as untrusted text.

use std::fmt::{self, Write};
use std::panic::PanicHookInfo;

use crate::sandbox::sys;

/// Longest report, in bytes; a longer one is cut.
const LONGEST: usize = 1024;

/// Makes a panic report itself without asking for memory, files or the environment, and then abort, whatever the
/// build says of unwinding.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        say(report(panic).bytes());
        std::process::abort()
    }));
}

/// Writes a line to standard error, if anybody listens.
pub fn say(line: &[u8]) {
    let _unheard = nix::unistd::write(sys::last_words(), line);
}

/// Writes formatted last words.
pub fn say_line(words: fmt::Arguments<'_>) {
    let mut line = Line::default();
    let _cut = writeln!(line, "dana-worker: {words}");
    say(line.bytes());
}

fn report(panic: &PanicHookInfo<'_>) -> Line {
    let mut line = Line::default();
    let what = panic.payload_as_str().unwrap_or("no message");
    let _cut = match panic.location() {
        Some(place) => writeln!(line, "dana-worker: bug at {}:{}: {what}", place.file(), place.line()),
        None => writeln!(line, "dana-worker: bug: {what}"),
    };
    line
}

/// A line of fixed size on the stack.
struct Line {
    text: [u8; LONGEST],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line { text: [0; LONGEST], length: 0 }
    }
}

impl Line {
    fn bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.text.get_mut(self.length..).ok_or(fmt::Error)?;
        let fits = room.len().min(part.len());
        for (to, from) in room.iter_mut().zip(part.bytes()) {
            *to = from;
        }
        self.length += fits;
        if fits == part.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
