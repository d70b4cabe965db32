//! CPython as the other side: one process for many programs.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The minor version of Python 3.
    pub(crate) minor: u32,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed {
        kind: String,
        message: String,
    },
    /// It went where the two languages differ, or too far: nothing to compare.
    Skipped(String),
}

impl Oracle {
    /// Starts `$DANA_DIFFER_PYTHON`, or `python3`.
    pub(crate) fn start() -> io::Result<Oracle> {
        let python = std::env::var_os("DANA_DIFFER_PYTHON").unwrap_or_else(|| "python3".into());
        let mut child = Command::new(python)
            .args(["-I", "-X", "utf8", "-c", include_str!("oracle.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        let mut oracle = Oracle { child, input, output, minor: 0 };
        oracle.minor = oracle.field()?.parse().map_err(io::Error::other)?;
        Ok(oracle)
    }

    /// Runs a program: all it printed, and how it ended.
    pub(crate) fn run(&mut self, program: &str) -> io::Result<(String, End)> {
        write!(self.input, "{}\n{program}", program.len())?;
        self.input.flush()?;
        let output = self.field()?;
        let end = match self.field()?.as_str() {
            "" => End::Done,
            "!" => End::Skipped(self.field()?),
            kind => End::Failed { kind: kind.to_owned(), message: self.field()? },
        };
        Ok((output, end))
    }

    /// A length in decimal, a line end, and as many bytes.
    fn field(&mut self) -> io::Result<String> {
        let mut length = String::new();
        self.output.read_line(&mut length)?;
        let mut bytes = vec![0; length.trim_end().parse().map_err(io::Error::other)?];
        self.output.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Nothing is lost when it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
