//! The end of a load: its value is encoded and stored where the lease still stands.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join;

use super::{CacheValue, Context, Engine, lease::Leased, shape::Same};
use crate::{
    ambient::{self, Deadline, millis},
    codec::{self, Seal, Unstorable},
    domain::{
        entry::{Lifetime, Millis, Stored, Token},
        key::Key,
        policy::{Ttl, jittered},
    },
    flight::Leader,
    metrics::Complaint,
    store::Store as _,
};

/// Encodes a value with its lifetime. `None` where it is not to be stored: a TTL of zero, or a value that is unfit.
pub(super) fn seal<V: CacheValue>(
    context: &Context,
    value: Option<&V>,
    same: Same<V>,
    ttl: Ttl,
    (token, tags): (Token, &[Token]),
    load: Duration,
) -> Option<codec::Sealed> {
    let Context { engine, site } = context;
    let ttl = engine.ttl(ttl);
    if ttl.is_zero() {
        return None;
    }
    let fresh = millis(jittered(ttl, site.config.jitter, ambient::random()));
    let seal = Seal {
        value,
        id: token,
        lifetime: Lifetime { fresh, total: fresh.saturating_add(site.config.staleness().kept()) },
        load: millis(load),
        fingerprint: site.fingerprint::<V>(),
        tags,
    };
    let limit = engine.config.max_value_size;
    let reason = match site.proofs.seal(&seal, same, limit) {
        Ok((sealed, difference)) => {
            if let Some(difference) = difference {
                site.complain::<V>(Complaint::Different(&difference));
            }
            return Some(sealed);
        }
        Err(Unstorable::Absent) => {
            site.complain::<V>(Complaint::LikeNone);
            return None;
        }
        Err(Unstorable::TooLarge(size)) => {
            site.complain::<V>(Complaint::TooLarge { size, limit });
            "too_large"
        }
        Err(Unstorable::Encode(error)) => {
            site.complain::<V>(Complaint::Unserialisable(&error));
            "encode"
        }
        Err(Unstorable::Unreadable(error)) => {
            site.complain::<V>(Complaint::Unreadable(&error));
            "unreadable"
        }
    };
    engine.stats(site).unstorable.fetch_add(1, Ordering::Relaxed);
    site.emitter.unstorable(site.labels(), reason);
    None
}

/// Sees to it that tags live as long as an entry that carries them. Where that fails the entry ends sooner.
pub(super) async fn prolong(engine: &Engine, tags: &[Key], total: Millis, deadline: Deadline) {
    if !tags.is_empty() {
        drop(deadline.bound(engine.store.versions(tags, total)).await);
    }
}

impl Leased<'_> {
    /// FILL, or RELEASE where nothing is to be stored: which piece of evidence the value is then, and whether that was
    /// acknowledged. Without an answer, or where a write came between, it is as old as the `started` load. What was not
    /// acknowledged is given back.
    pub(super) async fn end(
        mut self,
        tags: &[Key],
        sealed: Option<codec::Sealed>,
        (leader, started): (&Leader, u32),
        deadline: Deadline,
    ) -> (u32, bool) {
        let (key, token) = (self.key, self.token);
        let Context { engine, site } = self.context.clone();
        let Some(sealed) = sealed else {
            return (started, self.give_back(deadline).await);
        };
        let stored = leader.send_for();
        let fresh_until = engine.store.now() + sealed.lifetime.fresh;
        let prolonged = prolong(&engine, tags, sealed.lifetime.total, deadline);
        let filled = join(deadline.bound(engine.store.fill(key, token, &sealed)), prolonged).await.0;
        self.settled(matches!(filled, Some(Ok(_))));
        match filled {
            Some(Ok(Stored::Yes)) => {
                site.emitter.stored(site.labels(), sealed.body.as_bytes().len());
                engine.remember(key, fresh_until);
                // That it was stored proves nothing about its tags.
                (if tags.is_empty() { stored } else { started }, true)
            }
            Some(Ok(Stored::Lost)) => (started, true),
            Some(Err(error)) => {
                engine.failed(site, &error);
                (started, false)
            }
            None => (started, false),
        }
    }
}
