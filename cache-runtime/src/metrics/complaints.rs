//! Warnings of a function, once for each kind: its values do not go in, or do not come back.

use std::{
    fmt::Display,
    sync::atomic::{AtomicU8, Ordering},
};

use super::Labels;

/// Something that makes a function slower than it could be, or different.
#[derive(Clone, Copy)]
pub(crate) enum Complaint<'a> {
    TooLarge {
        size: usize,
        limit: usize,
    },
    Unserialisable(&'a dyn Display),
    /// In the words of serde.
    Unreadable(&'a str),
    /// In which field.
    Different(&'a dyn Display),
    /// It is encoded as `None` is.
    LikeNone,
    /// An entry that cannot be read, and why.
    Undecodable(&'a dyn Display),
}

/// Those that one function has made.
#[derive(Debug)]
pub(crate) struct Complaints(AtomicU8);

impl Complaints {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// `value`: the name of the type whose values the function stores.
    pub(crate) fn make(
        &self,
        Labels { function, .. }: Labels,
        value: &'static str,
        complaint: Complaint<'_>,
    ) {
        let bit = 1 << complaint.kind();
        if self.0.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        match complaint {
            Complaint::TooLarge { size, limit } => {
                tracing::warn!(
                    function,
                    size,
                    limit,
                    "not stored: the value is larger than `max_value_size`"
                );
            }
            Complaint::Unserialisable(error) => {
                tracing::warn!(function, value, %error, "not stored: the value cannot be serialised");
            }
            Complaint::Unreadable(error) => tracing::warn!(
                function,
                value,
                error,
                "not stored: what `Serialize` writes, `Deserialize` does not read, so that it would never be a hit. \
                 Put `#[serde(default)]` beside `skip_serializing_if` and `skip_serializing`, and leave `u128` out of types \
                 behind `tag`, `flatten` or `untagged`; or return another type"
            ),
            Complaint::Different(field) => tracing::warn!(
                function, value, %field,
                "a hit differs from what the body has returned: `Deserialize` does not undo `Serialize`. \
                 Let both spell the field in the same way, and write it; or return another type"
            ),
            Complaint::LikeNone => tracing::warn!(
                function,
                value,
                "not stored: the value is spelled like `None` (as `Some(None)`, `()` and `null` are), which this function \
                 does not store. Return `Option<_>` and give it a `negative_ttl`, or return a type with a name for it"
            ),
            Complaint::Undecodable(error) => tracing::warn!(
                function, value, %error,
                "an entry cannot be read and is loaded anew. After a deployment that changed the type, or beside the \
                 old one, this is as it should be; else two functions share a key, or the value is damaged"
            ),
        }
    }
}

impl Complaint<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::TooLarge { .. } => 0,
            Self::Unserialisable(_) => 1,
            Self::Unreadable(_) => 2,
            Self::Different(_) => 3,
            Self::LikeNone => 4,
            Self::Undecodable(_) => 5,
        }
    }
}
