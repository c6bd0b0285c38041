//! The Redis store: `GET`, and one script per step.

use bb8_redis::redis::{self, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value as Reply};

use futures_util::future::try_join_all;

use super::{Answer, Lookup, Store};
use crate::{
    Remaining,
    ambient::Clock,
    codec::{
        Sealed,
        envelope::{self, Body, Parsed},
    },
    domain::{
        entry::{Acquired, Entry, Lease, Millis, Seen, Stored, Token},
        key::Key,
    },
    error::StoreError,
    redis::{
        lanes::{Lanes, LanesConfig},
        scripts::{self, Step, Steps},
        tracked::Tracked,
    },
    resilience::wakeups::Wakeups,
};

/// Entries on a Redis server.
#[derive(Debug)]
pub(crate) struct RedisStore {
    lanes: Lanes,
    tracked: Tracked,
    wakeups: Wakeups,
    clock: Clock,
    steps: &'static Steps,
}

impl RedisStore {
    pub(crate) fn new(config: LanesConfig, clock: Clock) -> Result<Self, RedisError> {
        let wakeups = Wakeups::default();
        let woken = wakeups.clone();
        let tracked = Tracked::new(config.redis.clone(), config.budget, move |key| match key {
            Some(key) => woken.wake(key),
            None => woken.wake_all(),
        });
        Ok(Self { lanes: Lanes::new(config)?, tracked, wakeups, clock, steps: &scripts::FENCED })
    }

    /// With other scripts for the steps that fences decide.
    #[cfg(feature = "testing")]
    pub(crate) fn with_steps(mut self, steps: &'static Steps) -> Self {
        self.steps = steps;
        self
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    async fn get(&self, key: &Key) -> Answer<Lookup> {
        let mut server_start = 0;
        let read = self.lanes.query(|start| {
            server_start = start;
            let mut cmd = Cmd::with_capacity(2, key.as_bytes().len() + 3);
            cmd.arg("GET").arg(key.as_bytes());
            cmd
        });
        let bytes: Option<Vec<u8>> = match read.await {
            // A key of another type is a foreign value like any other: a miss, and replaced.
            Err(StoreError::Refused(error)) if error.code() == Some("WRONGTYPE") => None,
            answer => answer?,
        };
        let parsed = bytes.map_or(Parsed::Entry(Entry::Missing), envelope::parse);
        Ok(Lookup::of(parsed, self.now(), server_start))
    }

    async fn step<T: FromRedisValue>(
        &self,
        step: &'static Step,
        key: &Key,
        arguments: impl Fn(&mut Cmd),
    ) -> Answer<T> {
        self.run(step, key.as_bytes(), arguments).await
    }

    async fn run<T: FromRedisValue>(
        &self,
        step: &'static Step,
        key: &[u8],
        arguments: impl Fn(&mut Cmd),
    ) -> Answer<T> {
        let with_arguments = |mut cmd: Cmd| {
            arguments(&mut cmd);
            cmd
        };
        let answer = self.lanes.query(|start| with_arguments(step.by_hash(key, start))).await;
        match answer {
            // Not executed, so this is not a repetition.
            Err(StoreError::Refused(error)) if is_unknown_script(&error) => {
                self.lanes.query(|start| with_arguments(step.by_text(key, start))).await
            }
            answer => answer,
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn stored(answer: u8) -> Stored {
    if answer == 1 { Stored::Yes } else { Stored::Lost }
}

impl Store for RedisStore {
    async fn read(&self, key: &Key) -> Answer<Lookup> {
        self.get(key).await
    }

    async fn acquire(&self, key: &Key, token: Token, seen: Seen, lease: Millis) -> Answer<Acquired<Body>> {
        let (id, keep) = match seen {
            Seen::Nothing => (&[][..], false),
            Seen::Drop(ref id) => (&id.0[..], false),
            Seen::Keep(ref id) => (&id.0[..], true),
        };
        let answer: Vec<Reply> = self
            .step(&scripts::ACQUIRE, key, |cmd| {
                cmd.arg(&token.0).arg(id).arg(if keep { "keep" } else { "drop" }).arg(lease);
            })
            .await?;
        acquired(answer).ok_or(StoreError::Damaged)
    }

    async fn fill(&self, key: &Key, token: Token, sealed: &Sealed) -> Answer<Stored> {
        let body = sealed.body.as_bytes();
        let answer = self.step(self.steps.fill, key, |cmd| {
            cmd.arg(&token.0).arg(body);
        });
        Ok(stored(answer.await?))
    }

    async fn release(&self, key: &Key, token: Token) -> Answer<()> {
        self.step(&scripts::RELEASE, key, |cmd| {
            cmd.arg(&token.0);
        })
        .await
    }

    async fn renew(&self, key: &Key, token: Token, lease: Millis) -> Answer<bool> {
        self.step(&scripts::RENEW, key, |cmd| {
            cmd.arg(&token.0).arg(lease);
        })
        .await
    }

    async fn invalidate(&self, key: &Key) -> Answer<()> {
        self.step(&scripts::INVALIDATE, key, |_| {}).await
    }

    async fn invalidate_all(&self, prefix: &str) -> Answer<()> {
        // A namespace holds no character with a meaning in globs.
        let pattern = format!("{prefix}*");
        let mut cursor: u64 = 0;
        loop {
            let scan = self.lanes.query(|_| {
                let mut cmd = redis::cmd("SCAN");
                cmd.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1_000);
                // Other types are none of ours.
                cmd.arg("TYPE").arg("string");
                cmd
            });
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.await?;
            let drops = keys.iter().map(|key| self.run::<()>(&scripts::DROP, key, |_| {}));
            try_join_all(drops).await?;
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn hold(&self, key: &Key, token: Token, hold: Millis) -> Answer<()> {
        self.step(self.steps.hold, key, |cmd| {
            cmd.arg(&token.0).arg(hold);
        })
        .await
    }

    async fn begin(&self, key: &Key, token: Token, lease: Millis) -> Answer<()> {
        self.step(self.steps.begin, key, |cmd| {
            cmd.arg(&token.0).arg(lease);
        })
        .await
    }

    async fn end(&self, key: &Key, token: Token, sealed: Option<&Sealed>) -> Answer<Stored> {
        let body = sealed.map_or(&[][..], |sealed| sealed.body.as_bytes());
        let answer = self.step(self.steps.end, key, |cmd| {
            cmd.arg(&token.0).arg(body);
        });
        Ok(stored(answer.await?))
    }

    async fn remaining(&self, key: &Key) -> Answer<Remaining> {
        let Lookup::Value { value, now, .. } = self.get(key).await? else { return Ok(Remaining::Missing) };
        // The expiry of the key itself: somebody may have changed it by hand.
        let expiry: i64 = self
            .lanes
            .query(|_| {
                let mut cmd = redis::cmd("PTTL");
                cmd.arg(key.as_bytes());
                cmd
            })
            .await?;
        Ok(match u64::try_from(expiry) {
            Ok(left) => Remaining::until(value.until.min(now + left), now),
            Err(_) if expiry == -1 => Remaining::Persistent,
            Err(_) => Remaining::Missing,
        })
    }

    async fn watch(&self, key: &Key) -> bool {
        self.tracked.watch(key.as_bytes()).await
    }

    fn wakeups(&self) -> &Wakeups {
        &self.wakeups
    }

    fn now(&self) -> Millis {
        self.lanes.now(&self.clock)
    }
}

/// The answer of `acquire.lua`.
fn acquired(answer: Vec<Reply>) -> Option<Acquired<Body>> {
    let mut answer = answer.into_iter();
    let Reply::BulkString(word) = answer.next()? else { return None };
    match word.as_slice() {
        b"granted" => Some(Acquired::Granted),
        b"fenced" => Some(Acquired::Fenced),
        b"busy" => {
            let (Reply::BulkString(token), Reply::Int(until)) = (answer.next()?, answer.next()?) else {
                return None;
            };
            let lease = Lease { token: Token(token.try_into().ok()?), until: u64::try_from(until).ok()? };
            Some(Acquired::Busy(lease))
        }
        b"found" => {
            let Reply::BulkString(bytes) = answer.next()? else { return None };
            match envelope::parse(bytes) {
                Parsed::Entry(Entry::Value { value, .. }) => Some(Acquired::Found(value)),
                Parsed::Entry(_) | Parsed::Damaged(_) => None,
            }
        }
        _ => None,
    }
}
