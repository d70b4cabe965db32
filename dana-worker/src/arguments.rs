//! What the host says on the command line:
//! `dana-worker <protocol> <host pid> <memory bytes|0> <cpu seconds|0> <first user id|0> <layers>`.
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
    /// The user and group id to become is this one plus the worker's process id; `None` keeps the host's.
    pub first_user: Option<u32>,
    /// The layers that are asked for beside those that every worker has.
    pub wishes: Wishes,
}

/// What the kernel is told to allow the process, as a backstop behind the interpreter's own meters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes the session may hold; `None` lifts the limit.
    pub memory: Option<u64>,
    /// Seconds of processor time for the life of the process; `None` lifts the limit.
    pub cpu: Option<u64>,
}

/// A set of layers, written as the sum of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes(u64);

impl Wishes {
    /// Landlock.
    pub const LANDLOCK: Wishes = Wishes(1);
    /// Every namespace that a process can make for itself, and an empty root directory.
    pub const NAMESPACES: Wishes = Wishes(2);
    /// No speculation past stores and indirect branches.
    pub const SPECULATION: Wishes = Wishes(4);
    /// The host started the worker as the first process of a process namespace.
    pub const FIRST_PROCESS: Wishes = Wishes(8);
    /// Go on without the base layers that can be done without; the host was told to accept that.
    pub const LENIENT: Wishes = Wishes(16);

    const ALL: u64 = 31;

    /// Only what is known.
    fn from_sum(sum: u64) -> Option<Wishes> {
        (sum & !Wishes::ALL == 0).then_some(Wishes(sum))
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, wish: Wishes) -> bool {
        self.0 & wish.0 == wish.0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Wishes) -> Wishes {
        Wishes(self.0 | other.0)
    }

    /// As it is written on the command line.
    #[must_use]
    pub const fn sum(self) -> u64 {
        self.0
    }
}

/// Why the arguments were refused. Nothing has been set up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Too few or too many arguments.
    #[error(
        "usage: dana-worker <protocol> <host pid> <memory bytes|0> <cpu seconds|0> <first user id|0> <layers>"
    )]
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
    let first_user = next("first user id")?;
    let wishes = next("layers")?;
    if given.next().is_some() {
        return Err(UsageError::Count);
    }
    Ok(Arguments {
        protocol,
        host: Pid::from_raw(host),
        budget: Budget { memory: lifted(memory), cpu: lifted(cpu) },
        first_user: lifted(first_user)
            .map(u32::try_from)
            .transpose()
            .map_err(|_| UsageError::Number("first user id"))?,
        wishes: Wishes::from_sum(wishes).ok_or(UsageError::Number("layers"))?,
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
    fn six_numbers_are_read() {
        let read = from(&["3", "77", "1024", "0", "0", "3"]).unwrap();
        assert_eq!(read.protocol, 3);
        assert_eq!(read.host, Pid::from_raw(77));
        assert_eq!(read.budget, Budget { memory: Some(1024), cpu: None });
        assert_eq!(read.first_user, None);
        assert_eq!(read.wishes, Wishes::LANDLOCK.and(Wishes::NAMESPACES));
        assert!(!read.wishes.has(Wishes::LENIENT));
        assert_eq!(from(&["3", "77", "0", "0", "4294967295", "31"]).unwrap().first_user, Some(u32::MAX));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(from(&[]), Err(UsageError::Count));
        assert_eq!(from(&["1", "2", "3", "4", "5"]), Err(UsageError::Count));
        assert_eq!(from(&["1", "2", "3", "4", "5", "6", "7"]), Err(UsageError::Count));
        for (words, name) in [
            (["+1", "2", "3", "4", "5", "6"], "protocol"),
            (["4294967296", "2", "3", "4", "5", "6"], "protocol"),
            (["1", "-2", "3", "4", "5", "6"], "host pid"),
            (["1", "2", "", "4", "5", "6"], "memory bytes"),
            (["1", "2", "3", "18446744073709551616", "5", "6"], "cpu seconds"),
            (["1", "2", "3", "4", "4294967296", "6"], "first user id"),
            (["1", "2", "3", "4", "5", "32"], "layers"),
            (["1", "2", "3", "4", "5", "0x1"], "layers"),
        ] {
            assert_eq!(from(&words), Err(UsageError::Number(name)), "{words:?}");
        }
    }
}
