//! What the host says on the command line: `dana-worker <protocol> <host pid> <memory bytes|0> <cpu seconds|0>`.
//!
//! The command line of a process can be read by anybody on the machine, so nothing secret is ever put here.

use nix::unistd::Pid;

/// The checked arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Version of the protocol that the host speaks.
    pub protocol: u32,
    /// The host's process id, as the worker should see it in `getppid`.
    pub host: Pid,
    /// What the session may use.
    pub budget: Budget,
}

/// What the kernel is told to allow the process, as a backstop behind the interpreter's own meters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes the session may hold; `None` lifts the limit.
    pub memory: Option<u64>,
    /// Seconds of processor time for the life of the process; `None` lifts the limit.
    pub cpu: Option<u64>,
}

/// Why the arguments were refused. Nothing has been set up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Too few or too many arguments.
    #[error("usage: dana-worker <protocol> <host pid> <memory bytes|0> <cpu seconds|0>")]
    Count,
    /// An argument is not a plain decimal number in range.
    #[error("argument {0} is not a number in range")]
    Number(&'static str),
}

/// Reads the arguments after the program's name.
pub fn parse(given: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Arguments, UsageError> {
    let mut given = given.into_iter();
    let mut next = |name| {
        let text = given.next().ok_or(UsageError::Count)?;
        decimal(&text).ok_or(UsageError::Number(name))
    };
    let protocol = u32::try_from(next("protocol")?).map_err(|_| UsageError::Number("protocol"))?;
    let host = i32::try_from(next("host pid")?).map_err(|_| UsageError::Number("host pid"))?;
    let memory = next("memory bytes")?;
    let cpu = next("cpu seconds")?;
    if given.next().is_some() {
        return Err(UsageError::Count);
    }
    Ok(Arguments {
        protocol,
        host: Pid::from_raw(host),
        budget: Budget { memory: lifted(memory), cpu: lifted(cpu) },
    })
}

/// Digits only: no sign, no blanks, nothing that another parser might read otherwise.
fn decimal(text: &std::ffi::OsStr) -> Option<u64> {
    let text = text.to_str()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Zero stands for "no limit".
fn lifted(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(words: &[&str]) -> Result<Arguments, UsageError> {
        parse(words.iter().map(Into::into))
    }

    #[test]
    fn four_numbers_are_read() {
        let read = from(&["3", "77", "1024", "0"]).unwrap();
        assert_eq!(read.protocol, 3);
        assert_eq!(read.host, Pid::from_raw(77));
        assert_eq!(read.budget, Budget { memory: Some(1024), cpu: None });
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(from(&[]), Err(UsageError::Count));
        assert_eq!(from(&["1", "2", "3"]), Err(UsageError::Count));
        assert_eq!(from(&["1", "2", "3", "4", "5"]), Err(UsageError::Count));
        assert_eq!(from(&["+1", "2", "3", "4"]), Err(UsageError::Number("protocol")));
        assert_eq!(from(&["1", "-2", "3", "4"]), Err(UsageError::Number("host pid")));
        assert_eq!(from(&["1", "2", "", "4"]), Err(UsageError::Number("memory bytes")));
        assert_eq!(from(&["1", "2", "3", "18446744073709551616"]), Err(UsageError::Number("cpu seconds")));
        assert_eq!(from(&["4294967296", "2", "3", "4"]), Err(UsageError::Number("protocol")));
    }
}
