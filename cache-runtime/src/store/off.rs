//! No store: what is left when the configuration is wrong. Every step is refused, so every body runs.

use super::{Answer, Look, Reading, Store, StoreHealth};
use crate::{
    Remaining,
    codec::{Sealed, envelope::Body},
    domain::{
        entry::{Acquired, Millis, Seen, Stored, Token},
        key::Key,
        pattern::Pattern,
    },
    error::StoreError,
    redis::{channel::Changes, lanes::BreakerState},
    resilience::wakeups::Wakeups,
};

/// The store that holds nothing.
#[derive(Debug)]
pub(crate) struct Off {
    /// What is wrong.
    pub(crate) reason: String,
    /// Nobody: there are no loads of others.
    wakeups: Wakeups,
}

impl Off {
    pub(crate) fn new(reason: String) -> Self {
        Self { reason, wakeups: Wakeups::default() }
    }
}

impl Store for Off {
    async fn read(&self, _: Look<'_>) -> Answer<Reading> {
        Err(StoreError::Off)
    }

    async fn read_many(&self, _: &[Look<'_>]) -> Answer<Vec<Reading>> {
        Err(StoreError::Off)
    }

    async fn versions(&self, _: &[Key], _: Millis) -> Answer<Vec<Token>> {
        Err(StoreError::Off)
    }

    async fn invalidate_tag(&self, _: &Key) -> Answer<()> {
        Err(StoreError::Off)
    }

    async fn acquire(&self, _: &Key, _: Token, _: Seen, _: Millis) -> Answer<Acquired<Body>> {
        Err(StoreError::Off)
    }

    async fn fill(&self, _: &Key, _: Token, _: &Sealed) -> Answer<Stored> {
        Err(StoreError::Off)
    }

    async fn release(&self, _: &Key, _: Token) -> Answer<()> {
        Err(StoreError::Off)
    }

    async fn renew(&self, _: &Key, _: Token, _: Millis) -> Answer<bool> {
        Err(StoreError::Off)
    }

    async fn invalidate(&self, _: &Key) -> Answer<()> {
        Err(StoreError::Off)
    }

    async fn invalidate_matching(&self, _: &Pattern) -> Answer<u64> {
        Err(StoreError::Off)
    }

    async fn announce(&self, _: &Changes<'_>) -> Answer<()> {
        Ok(())
    }

    async fn hold(&self, _: &Key, _: Token, _: Millis) -> Answer<()> {
        Err(StoreError::Off)
    }

    async fn begin(&self, _: &Key, _: Token, _: Millis) -> Answer<()> {
        Err(StoreError::Off)
    }

    async fn end(&self, _: &Key, _: Token, _: Option<&Sealed>) -> Answer<Stored> {
        Err(StoreError::Off)
    }

    async fn remaining(&self, _: &Key) -> Answer<Remaining> {
        Err(StoreError::Off)
    }

    fn listen(&self) {}

    async fn watch(&self, _: &Key) -> bool {
        false
    }

    fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    fn now(&self) -> Millis {
        0
    }

    async fn connected(&self) -> bool {
        false
    }

    fn health(&self) -> StoreHealth {
        let trouble = Some(self.reason.clone());
        let breaker = BreakerState::Open;
        StoreHealth { store: "off".to_owned(), lanes: (0, 0), breaker, warms_up: false, trouble }
    }
}
