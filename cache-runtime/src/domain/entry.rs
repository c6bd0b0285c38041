//! The states of an entry and the transition table of the protocol.
//!
//! One entry is one Redis string. What it holds is an [`Entry`], and each step of the protocol is one method
//! here: a pure function from (entry, now, arguments) to (entry, answer). The in-process store runs these
//! methods under a lock; the Lua scripts beside the Redis store do the same steps and are compared with them by
//! the conformance suite.
//!
//! Times are milliseconds since the Unix epoch by the clock of the store (for Redis: `TIME`).

use std::fmt;

/// Milliseconds since the Unix epoch by the store's clock, or a number of milliseconds.
pub(crate) type Millis = u64;

/// 128 random bits that name one load or one write. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(pub(crate) [u8; 16]);

impl Token {
    /// Where an entry holds no lease.
    pub(crate) const NONE: Self = Self([0; 16]);
    /// The place of all holds in a fence (rule 14): no load and no write has this token.
    pub(crate) const HOLD: Self = Self([0xFF; 16]);
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u128::from_be_bytes(self.0) >> 96)
    }
}

/// The right of one token until a deadline: to fill (a lease), to be the only writer (in a fence), or to hold a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) token: Token,
    pub(crate) until: Millis,
}

impl Lease {
    fn alive(&self, now: Millis) -> bool {
        now < self.until
    }
}

/// A stored value: `body` is opaque here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Value<B> {
    /// The token that stored it.
    pub(crate) id: Token,
    pub(crate) created: Millis,
    /// Fresh until then; afterwards usable only as far as the caller's policy allows.
    pub(crate) fresh_until: Millis,
    /// Past it the value is absent.
    pub(crate) until: Millis,
    pub(crate) body: B,
}

/// A value on its way into an entry: its times count from the moment it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) fresh: Millis,
    pub(crate) total: Millis,
}

/// What one key holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Entry<B> {
    /// Nothing.
    #[default]
    Missing,
    /// A load is under way; there is no value.
    Lease { created: Millis, lease: Lease },
    /// A value, and perhaps the lease of a load that will replace it.
    Value { value: Value<B>, lease: Option<Lease> },
    /// Writers are under way: readers go to the database and store nothing.
    Fence {
        created: Millis,
        writers: Vec<Lease>,
        /// More than one writer has been here, or an invalidation: none of them may store.
        shared: bool,
    },
}

/// The answer to [`Entry::acquire`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acquired<B> {
    /// The caller holds the lease: load, then fill.
    Granted,
    /// Another load holds it.
    Busy(Lease),
    /// There is a value that the caller has not seen.
    Found(Value<B>),
    /// A write is under way: load and store nothing.
    Fenced,
}

/// The answer to the steps that store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The value is in the cache.
    Yes,
    /// Somebody wrote meanwhile: nothing was stored.
    Lost,
}

/// What to do with a value that was seen and is not good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing was seen.
    Nothing,
    /// The value of this id is unusable: a lease takes its place.
    Drop(Token),
    /// The value of this id may be served while a new one is loaded.
    Keep(Token),
}

impl<B> Entry<B> {
    /// The entry as every step sees it: what is past its deadline is absent, and so is what was written before
    /// the server's present start (rule 11): a snapshot brings back what had been invalidated.
    pub(crate) fn settle(self, now: Millis, server_start: Millis) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Lease { created, lease } if created >= server_start && lease.alive(now) => {
                Self::Lease { created, lease }
            }
            Self::Lease { .. } => Self::Missing,
            Self::Value { value, .. } if value.created < server_start => Self::Missing,
            Self::Value { value, lease } => {
                let lease = lease.filter(|lease| lease.alive(now));
                match lease {
                    _ if now < value.until => Self::Value { value, lease },
                    Some(lease) => Self::Lease { created: value.created, lease },
                    None => Self::Missing,
                }
            }
            Self::Fence { created, mut writers, shared } => {
                writers.retain(|writer| writer.alive(now));
                if writers.is_empty() {
                    return Self::Missing;
                }
                Self::Fence { created, writers, shared: shared || created < server_start }
            }
        }
    }

    /// ACQUIRE: asks for the right to load. `self` is settled, as in all steps below.
    pub(crate) fn acquire(self, now: Millis, token: Token, seen: Seen, lease: Millis) -> (Self, Acquired<B>)
    where
        B: Clone,
    {
        let granted = Lease { token, until: now + lease };
        match self {
            Self::Missing => (Self::Lease { created: now, lease: granted }, Acquired::Granted),
            Self::Lease { lease, .. } if lease.token == token => (self, Acquired::Granted),
            Self::Lease { lease, .. } => (self, Acquired::Busy(lease)),
            Self::Value { value, lease: held } => {
                if held.is_some_and(|lease| lease.token == token) {
                    return (Self::Value { value, lease: held }, Acquired::Granted);
                }
                let was_seen = match seen {
                    Seen::Nothing => false,
                    Seen::Drop(id) | Seen::Keep(id) => id == value.id,
                };
                let usable = !was_seen && now < value.fresh_until;
                match held {
                    _ if usable => {
                        let found = value.clone();
                        (Self::Value { value, lease: held }, Acquired::Found(found))
                    }
                    Some(lease) => (Self::Value { value, lease: held }, Acquired::Busy(lease)),
                    None if was_seen && matches!(seen, Seen::Drop(_)) => {
                        (Self::Lease { created: now, lease: granted }, Acquired::Granted)
                    }
                    None => (Self::Value { value, lease: Some(granted) }, Acquired::Granted),
                }
            }
            Self::Fence { .. } => (self, Acquired::Fenced),
        }
    }

    /// FILL: stores what was loaded, if the lease still stands (rule 13).
    pub(crate) fn fill(self, now: Millis, token: Token, lifetime: Lifetime, body: B) -> (Self, Stored) {
        if self.lease().is_some_and(|lease| lease.token == token) {
            (Self::stored(now, token, lifetime, body), Stored::Yes)
        } else {
            (self, Stored::Lost)
        }
    }

    /// RELEASE: gives the lease back without a value.
    pub(crate) fn release(self, token: Token) -> Self {
        match self {
            Self::Lease { lease, .. } if lease.token == token => Self::Missing,
            Self::Value { value, lease: Some(lease) } if lease.token == token => {
                Self::Value { value, lease: None }
            }
            other => other,
        }
    }

    /// RENEW: moves the deadline of a lease or of a writer. Says whether the token still stands.
    pub(crate) fn renew(mut self, now: Millis, token: Token, lease: Millis) -> (Self, bool) {
        let standing = match &mut self {
            Self::Lease { lease, .. } | Self::Value { lease: Some(lease), .. } => Some(lease),
            Self::Fence { writers, .. } => writers.iter_mut().find(|writer| writer.token == token),
            Self::Missing | Self::Value { lease: None, .. } => None,
        };
        let renewed = match standing {
            Some(held) if held.token == token => {
                held.until = now + lease;
                true
            }
            _ => false,
        };
        (self, renewed)
    }

    /// INVALIDATE: removes whatever is there, so that a load in progress has lost. A fence stays, marked shared.
    pub(crate) fn invalidate(self) -> Self {
        match self {
            Self::Fence { created, writers, .. } => Self::Fence { created, writers, shared: true },
            Self::Missing | Self::Lease { .. } | Self::Value { .. } => Self::Missing,
        }
    }

    /// INVALIDATE with a hold, and END with one, for which `token` leaves: the key stays fenced for that long, and nothing is
    /// stored.
    ///
    /// All holds of a fence are one deadline, the latest: failed writes of a busy key would pile up, and every step on the
    /// key reads the whole fence.
    pub(crate) fn hold(self, now: Millis, token: Token, hold: Millis) -> Self {
        let (created, mut writers) = match self {
            Self::Fence { created, writers, .. } => (created, writers),
            Self::Missing | Self::Lease { .. } | Self::Value { .. } => (now, Vec::new()),
        };
        let mut until = now + hold;
        writers.retain(|writer| {
            if writer.token == Token::HOLD {
                until = until.max(writer.until);
            }
            writer.token != token && writer.token != Token::HOLD
        });
        writers.push(Lease { token: Token::HOLD, until });
        Self::Fence { created, writers, shared: true }
    }

    /// BEGIN: a writer announces itself. Alone, it may store at its end.
    pub(crate) fn begin(self, now: Millis, token: Token, lease: Millis) -> Self {
        let writer = Lease { token, until: now + lease };
        match self {
            Self::Fence { created, mut writers, .. } => {
                writers.retain(|other| other.token != token);
                writers.push(writer);
                Self::Fence { created, writers, shared: true }
            }
            Self::Missing | Self::Lease { .. } | Self::Value { .. } => {
                Self::Fence { created: now, writers: vec![writer], shared: false }
            }
        }
    }

    /// END: the writer leaves; where it was alone, its value is stored.
    pub(crate) fn end(self, now: Millis, token: Token, stored: Option<(Lifetime, B)>) -> (Self, Stored) {
        let Self::Fence { created, mut writers, shared } = self else {
            return (Self::Missing, Stored::Lost);
        };
        let before = writers.len();
        writers.retain(|writer| writer.token != token);
        if writers.len() == before {
            return (Self::Fence { created, writers, shared: true }, Stored::Lost);
        }
        if !writers.is_empty() {
            return (Self::Fence { created, writers, shared }, Stored::Lost);
        }
        match stored {
            Some((lifetime, body)) if !shared => (Self::stored(now, token, lifetime, body), Stored::Yes),
            _ => (Self::Missing, Stored::Lost),
        }
    }

    fn lease(&self) -> Option<Lease> {
        match self {
            Self::Lease { lease, .. } => Some(*lease),
            Self::Value { lease, .. } => *lease,
            Self::Missing | Self::Fence { .. } => None,
        }
    }

    fn stored(now: Millis, token: Token, lifetime: Lifetime, body: B) -> Self {
        let value = Value {
            id: token,
            created: now,
            fresh_until: now + lifetime.fresh,
            until: now + lifetime.total,
            body,
        };
        Self::Value { value, lease: None }
    }
}

#[cfg(test)]
#[path = "entry/tests.rs"] // The model in `tests/tests/model` includes this file.
mod tests;
