//! What can go wrong when a cache is built or asked for directly.
//!
//! Calls of cached functions never see these: there the body runs instead (`engine`).

use std::{error::Error as StdError, fmt, sync::Arc};

use bb8_redis::redis::RedisError;

/// An error of the cache itself, with what it was about and what to do.
///
/// Never returned by a cached function: those return what their body returns.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What an [`Error`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration (a URL, an environment variable, an argument of the builder) is wrong.
    Config,
    /// A cache is already installed.
    AlreadyInstalled,
    /// Redis is out of reach, or did not answer in time.
    Unavailable,
    /// Redis answered with an error.
    Refused,
    /// A value could not be encoded, or is larger than allowed.
    Value,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What the error is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without a change of configuration or code.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Why a step has no answer.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// No connection: nothing was sent, or its fate is unknown.
    Disconnected,
    /// No answer in time: its fate is unknown.
    Timeout,
    /// The server answered with an error: read-only, out of memory, no permission.
    Refused(RedisError),
    /// A value appeared whose bytes are damaged.
    Damaged,
    /// There is no store, because the configuration is wrong.
    Off,
    /// An invalidation was not acknowledged yet: the store may hold what was before it.
    Covered,
}

impl StoreError {
    /// A label for metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Timeout => "timeout",
            Self::Refused(_) => "refused",
            Self::Damaged => "damaged",
            Self::Off => "off",
            Self::Covered => "recovery",
        }
    }
}
