//! Why a layer could not be applied.

use std::borrow::Cow;

use nix::errno::Errno;

/// One failed step. For a layer the wall rests on, the worker ends with it; for a further one, the host is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The kernel refused a call.
    #[error("{step}: {errno}")]
    Refused {
        /// The call, as a reader of the manual pages would name it.
        step: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The process was not started the way the host starts it, or a setting did not take.
    #[error("{0}")]
    Unexpected(Cow<'static, str>),
}

impl SetupError {
    /// Names the step whose error number this is.
    pub(crate) fn at(step: &'static str) -> impl Fn(Errno) -> SetupError {
        move |errno| SetupError::Refused { step, errno }
    }

    /// A finding in words.
    pub(crate) fn unexpected(found: impl Into<Cow<'static, str>>) -> SetupError {
        SetupError::Unexpected(found.into())
    }
}
