//! The Redis store: `GET`, and one script per step.

use std::{sync::Arc, time::Duration};

use bb8_redis::redis::{self, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value as Reply};

use futures_util::future::try_join_all;

use super::{Answer, Look, Lookup, Reading, Store};
use crate::{
    Remaining,
    ambient::{self, Clock, millis},
    codec::{
        Sealed,
        envelope::{self, Body, Parsed},
    },
    domain::{
        entry::{Acquired, Entry, Lease, Millis, Seen, Stored, Token},
        key::Key,
        pattern::Pattern,
    },
    error::StoreError,
    redis::{
        channel::{Changes, Channel},
        lanes::{Lanes, LanesConfig},
        listener::Listener,
        scripts::{self, Step, Steps},
    },
    resilience::wakeups::Wakeups,
};

/// How this process is told what others change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// By the server, which remembers what was read (client tracking, Redis 6.0): it tells of every change, whoever made
    /// it, and of expiry and eviction. Where the server does not track, or does not allow it, as [`Coherence::Channel`].
    #[default]
    Tracking,
    /// By the messages of those who write, on the channel `cache:invalidate`. For fleets in which a service without this
    /// crate takes part, and for servers that do not track: there every process that writes needs it.
    Channel,
}

/// How a Redis store is made, beside its connections.
#[derive(Clone, Debug)]
pub(crate) struct StoreConfig {
    pub(crate) coherence: Coherence,
    /// The namespace and a colon, or nothing.
    pub(crate) prefix: String,
    pub(crate) clock: Clock,
}

/// Entries on a Redis server.
#[derive(Debug)]
pub(crate) struct RedisStore {
    lanes: Lanes,
    /// Where what is read is watched by the server.
    tracked: Lanes,
    channel: Channel,
    coherence: Coherence,
    wakeups: Wakeups,
    clock: Clock,
    steps: &'static Steps,
}

/// Values of so many keys are asked for at once.
const AT_ONCE: usize = 512;
/// A walk over all keys goes in steps of so many; with larger ones others wait longer for their answers.
const SCANNED_AT_ONCE: usize = 1_000;
const DROPPED_AT_ONCE: usize = 128;
/// A version of a tag is kept this much longer than it is needed, so that it need not be prolonged at each load.
const KEPT_LONGER: Duration = Duration::from_secs(60 * 60);

impl RedisStore {
    /// `told` hears all changes where that is how they are told, `woken` those of keys that somebody waits for.
    pub(crate) fn new(
        lanes: LanesConfig,
        config: StoreConfig,
        wakeups: Wakeups,
        told: Arc<dyn Listener>,
        woken: Arc<dyn Listener>,
    ) -> Result<Self, RedisError> {
        let StoreConfig { coherence, prefix, clock } = config;
        let channel = Channel::new(lanes.redis.clone(), Arc::clone(&told), &prefix);
        let tracked = match coherence {
            Coherence::Tracking => told,
            Coherence::Channel => woken,
        };
        let tracked = Lanes::tracked(lanes.clone(), &tracked)?;
        let lanes = Lanes::new(lanes)?;
        Ok(Self { lanes, tracked, channel, coherence, wakeups, clock, steps: &scripts::FENCED })
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

    /// Whether changes are told by the messages of those who make them.
    fn speaks(&self) -> bool {
        self.coherence == Coherence::Channel || self.tracked.is_refused()
    }

    /// Sends a look-up where it is to go; with it comes the start of that server, and whether changes will be told.
    async fn look<T: FromRedisValue>(&self, told: bool, make: impl Fn() -> Cmd) -> (Answer<T>, Millis, bool) {
        let mut server_start = 0;
        let mut told = told;
        if told && self.speaks() {
            told = self.channel.is_up();
        } else if told {
            let tracked = self.tracked.query_now(|start| {
                server_start = start;
                make()
            });
            match tracked.await {
                // That connection is lost, others may not be.
                None | Some(Err(StoreError::Disconnected)) => told = false,
                Some(answer) => return (answer, server_start, true),
            }
        }
        let read = self.lanes.query(|start| {
            server_start = start;
            make()
        });
        let answer = read.await;
        (answer, server_start, told)
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
    async fn read(&self, look: Look<'_>) -> Answer<Reading> {
        let Look { key, tags, told } = look;
        if !tags.is_empty() {
            let mut readings = self.read_many(&[look]).await?;
            return readings.pop().ok_or(StoreError::Damaged);
        }
        let (answer, server_start, told) = self
            .look(told, || {
                let mut cmd = Cmd::with_capacity(2, key.as_bytes().len() + 3);
                cmd.arg("GET").arg(key.as_bytes());
                cmd
            })
            .await;
        let bytes: Option<Vec<u8>> = match answer {
            // A key of another type is a foreign value like any other: a miss, and replaced.
            Err(StoreError::Refused(error)) if error.code() == Some("WRONGTYPE") => None,
            answer => answer?,
        };
        let parsed = bytes.map_or(Parsed::Entry(Entry::Missing), envelope::parse);
        Ok(Reading { lookup: Lookup::of(parsed, self.now(), server_start), tags: Vec::new(), told })
    }

    async fn read_many(&self, looks: &[Look<'_>]) -> Answer<Vec<Reading>> {
        let mut readings = Vec::with_capacity(looks.len());
        for looks in looks.chunks(AT_ONCE) {
            // Each tag once, behind the keys.
            let mut tags: Vec<&Key> = looks.iter().flat_map(|look| look.tags).collect();
            tags.sort_unstable();
            tags.dedup();
            let (answer, server_start, told) = self
                .look(looks.iter().all(|look| look.told), || {
                    let mut cmd = redis::cmd("MGET");
                    for key in looks.iter().map(|look| look.key).chain(tags.iter().copied()) {
                        cmd.arg(key.as_bytes());
                    }
                    cmd
                })
                .await;
            let mut values: Vec<Option<Vec<u8>>> = answer?;
            if values.len() != looks.len() + tags.len() {
                return Err(StoreError::Damaged);
            }
            let versions = values.split_off(looks.len());
            let versions: Vec<Option<Token>> =
                versions.into_iter().map(|version| envelope::tag_version(&version?, server_start)).collect();
            let version = |tag: &Key| versions[tags.binary_search(&tag).ok()?];
            for (look, value) in looks.iter().zip(values) {
                let parsed = value.map_or(Parsed::Entry(Entry::Missing), envelope::parse);
                let lookup = Lookup::of(parsed, self.now(), server_start);
                readings.push(Reading { lookup, tags: look.tags.iter().map(version).collect(), told });
            }
        }
        Ok(readings)
    }

    async fn versions(&self, tags: &[Key], needed: Millis) -> Answer<Vec<Token>> {
        let versions = tags.iter().map(|tag| async move {
            let new = ambient::token();
            let version: Vec<u8> = self
                .step(&scripts::TAG, tag, |cmd| {
                    cmd.arg(&new.0).arg(needed).arg(needed.saturating_add(millis(KEPT_LONGER)));
                })
                .await?;
            version.try_into().map(Token).map_err(|_| StoreError::Damaged)
        });
        try_join_all(versions).await
    }

    async fn invalidate_tag(&self, tag: &Key) -> Answer<()> {
        self.lanes
            .query(|_| {
                let mut cmd = redis::cmd("UNLINK");
                cmd.arg(tag.as_bytes());
                cmd
            })
            .await
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

    async fn invalidate_matching(&self, pattern: &Pattern) -> Answer<u64> {
        let glob = pattern.glob();
        let mut cursor: u64 = 0;
        let mut gone = 0;
        loop {
            let scan = self.lanes.query(|_| {
                let mut cmd = redis::cmd("SCAN");
                cmd.arg(cursor).arg("MATCH").arg(&glob).arg("COUNT").arg(SCANNED_AT_ONCE);
                // Other types are none of ours.
                cmd.arg("TYPE").arg("string");
                cmd
            });
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.await?;
            // In small batches, between which the server answers others.
            for keys in keys.chunks(DROPPED_AT_ONCE) {
                let drops = keys.iter().map(|key| self.run::<u64>(&scripts::DROP, key, |_| {}));
                gone += try_join_all(drops).await?.into_iter().sum::<u64>();
            }
            if next == 0 {
                return Ok(gone);
            }
            cursor = next;
        }
    }

    async fn announce(&self, changes: &Changes<'_>) -> Answer<()> {
        // Who only writes does not know yet whether the server tracks: it asks, and speaks until it knows.
        let is_known = self.speaks() || self.tracked.was_up();
        if !is_known {
            self.tracked.ensure_supervised();
        }
        if is_known && !self.speaks() {
            return Ok(());
        }
        let messages =
            self.channel.say(changes).into_iter().map(|message| self.lanes.query::<u64>(|_| message));
        try_join_all(messages).await.map(drop)
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
        let reading = self.read(Look { key, tags: &[], told: false }).await?;
        let Lookup::Value { value, now, .. } = reading.lookup else { return Ok(Remaining::Missing) };
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

    fn listen(&self) {
        if self.speaks() {
            self.channel.listen();
        } else {
            self.tracked.ensure_supervised();
        }
    }

    async fn watch(&self, key: &Key) -> bool {
        let read = self.tracked.query_now::<Reply>(|_| {
            let mut cmd = redis::cmd("STRLEN");
            cmd.arg(key.as_bytes());
            cmd
        });
        match read.await {
            Some(Ok(_)) => true,
            // A key of another type is watched, too; one that may not be read is not.
            Some(Err(StoreError::Refused(error))) => error.code() != Some("NOPERM"),
            Some(Err(_)) | None => false,
        }
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
