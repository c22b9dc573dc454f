//! The drill's own errors: what it could not do, and what the reader can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::aws::AwsError;

/// Result of the drill's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the drill could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("{doing} failed")]
    Io {
        /// What was being done, e.g. "creating target/drill".
        doing: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A program that the drill needs is not there.
    #[error("{needed}")]
    Missing {
        /// What is missing and how to get it.
        needed: String,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}); its output is in {log}:\n{tail}", log = log.display())]
    Command {
        /// The program's name.
        program: String,
        /// Its exit status, in words.
        status: String,
        /// The file with all of its output.
        log: PathBuf,
        /// The last lines of its output.
        tail: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not happen within {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// An AWS call of the drill itself was refused.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// An answer did not have the expected form.
    #[error("{0}")]
    Unexpected(String),
}

impl Error {
    /// A closure that turns an I/O error into [`Error::Io`], for `map_err`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing: doing.into(), source }
    }
}
