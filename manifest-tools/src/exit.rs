//! Exit codes: the part of the command line that scripts rely on.

use std::process::ExitCode;

/// How a command ended. The numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done,
    /// The command ran to its end, and some renames failed.
    SomeFailed,
    /// A usage, manifest or configuration error; nothing was renamed.
    BadInput,
    /// The endpoint or the queue could not be reached, or denied us.
    Unreachable,
    /// Stopped by a signal.
    Interrupted,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::BadInput => 2,
            Self::Unreachable => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
