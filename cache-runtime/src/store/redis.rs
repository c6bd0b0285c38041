//! The Redis store: `GET`, and one script per step.

use std::{sync::Arc, time::Duration};

use bb8_redis::redis::{self, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value as Reply};

use futures_util::future::try_join_all;

use super::{Answer, Look, Lookup, Reading, Store, StoreHealth};
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
        lanes::{Lanes, LanesConfig, Route, Starts},
        listener::Listener,
        scripts::{self, Moment, Step, Steps},
        sizes::Sizes,
    },
    resilience::wakeups::Wakeups,
};

/// How this process is told what others change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coherence {
    /// By the server, which remembers what was read (client tracking, Redis 6.0): it tells of every change, whoever made
    /// it, and of expiry and eviction. Where the server does not track, or does not allow it, the local level stays off.
    #[default]
    Tracking,
    /// By the messages of those who write, on the channel `cache:invalidate`. For fleets in which a service without this
    /// crate takes part, and for servers that do not track. Every process that writes needs it: one that follows the server
    /// says nothing here.
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
    /// Where large values go, so that small ones need not wait behind them.
    large: Lanes,
    sizes: Sizes,
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
        let channel = Channel::new(&lanes, Arc::clone(&told), &prefix);
        let tracked = match coherence {
            Coherence::Tracking => told,
            Coherence::Channel => woken,
        };
        let says = (coherence == Coherence::Tracking).then(|| channel.says_that_it_tracks());
        let tracked = Lanes::tracked(lanes.clone(), &tracked, says)?;
        let large = Lanes::apart(lanes.clone())?;
        let lanes = Lanes::new(lanes)?;
        let (sizes, steps) = (Sizes::default(), &scripts::FENCED);
        Ok(Self { lanes, tracked, large, sizes, channel, coherence, wakeups, clock, steps })
    }

    /// With other scripts for the steps that fences decide.
    #[cfg(feature = "testing")]
    pub(crate) fn with_steps(mut self, steps: &'static Steps) -> Self {
        self.steps = steps;
        self
    }

    /// Whether changes are told by the messages of those who make them.
    fn speaks(&self) -> bool {
        self.coherence == Coherence::Channel
    }

    /// Sends a look-up where it is to go; with it comes what is void there, and whether changes will be told.
    async fn look<T: FromRedisValue>(
        &self,
        told: bool,
        is_large: bool,
        make: impl Fn() -> Cmd,
    ) -> (Answer<T>, Starts, bool) {
        let mut on = Starts::default();
        let mut make = |starts| {
            on = starts;
            make()
        };
        let is_tracked = told && !self.speaks();
        let mut told = told && (is_tracked || self.channel.is_up());
        let apart = if is_tracked { Some(&self.tracked) } else { is_large.then_some(&self.large) };
        if let Some(apart) = apart {
            match apart.query_now(&mut make).await {
                // That connection is lost, others may not be.
                None | Some(Err(StoreError::Disconnected)) => told &= !is_tracked,
                Some(answer) => return (answer, on, told),
            }
        }
        let answer = self.lanes.query(Route::ANY, make).await;
        (answer, on, told)
    }

    async fn step<T: FromRedisValue>(
        &self,
        route: Route,
        step: &'static Step,
        key: &Key,
        arguments: impl Fn(&mut Cmd),
    ) -> Answer<T> {
        self.run(&self.lanes, route, step, key.as_bytes(), arguments).await
    }

    /// A step that brings a value: a large one goes where it is in nobody's way.
    async fn store(&self, token: Token, step: &'static Step, key: &Key, body: &[u8]) -> Answer<Stored> {
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(&token.0).arg(body);
        };
        let is_large = self.sizes.note(key.as_bytes(), body.len());
        let apart = is_large && self.large.is_usable();
        let lanes = if apart { &self.large } else { &self.lanes };
        let answer: u8 = self.run(lanes, Route::after(token), step, key.as_bytes(), arguments).await?;
        Ok(if answer == 1 { Stored::Yes } else { Stored::Lost })
    }

    async fn run<T: FromRedisValue>(
        &self,
        lanes: &Lanes,
        route: Route,
        step: &'static Step,
        key: &[u8],
        arguments: impl Fn(&mut Cmd),
    ) -> Answer<T> {
        let with_arguments = |mut cmd: Cmd| {
            arguments(&mut cmd);
            cmd
        };
        let moment = |starts: Starts| Moment {
            // Only ACQUIRE hands out what others have stored.
            start: if std::ptr::eq(step, &raw const scripts::ACQUIRE) {
                starts.values
            } else {
                starts.server
            },
            now: (!starts.tells_time).then(|| self.now()),
        };
        let by_hash = |starts| with_arguments(step.by_hash(key, moment(starts)));
        match lanes.query(route, by_hash).await {
            // Not executed, so this is not a repetition.
            Err(StoreError::Refused(error)) if is_unknown_script(&error) => {
                lanes.query(route, |starts| with_arguments(step.by_text(key, moment(starts)))).await
            }
            answer => answer,
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

impl Store for RedisStore {
    async fn read(&self, look: Look<'_>) -> Answer<Reading> {
        let Look { key, tags, told } = look;
        if !tags.is_empty() {
            let mut readings = Box::pin(self.read_many(&[look])).await?;
            return readings.pop().ok_or(StoreError::Damaged);
        }
        let is_large = self.sizes.is_large(key.as_bytes());
        let (answer, starts, told) = self
            .look(told, is_large, || {
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
        self.sizes.note(key.as_bytes(), bytes.as_ref().map_or(0, Vec::len));
        let parsed = bytes.map_or(Parsed::Entry(Entry::Missing), envelope::parse);
        Ok(Reading { lookup: Lookup::of(parsed, self.now(), starts.values), tags: Vec::new(), told })
    }

    async fn read_many(&self, looks: &[Look<'_>]) -> Answer<Vec<Reading>> {
        let mut readings = Vec::with_capacity(looks.len());
        for looks in looks.chunks(AT_ONCE) {
            // Each tag once, behind the keys.
            let mut tags: Vec<&Key> = looks.iter().flat_map(|look| look.tags).collect();
            tags.sort_unstable();
            tags.dedup();
            let is_told = looks.iter().all(|look| look.told);
            let is_large = looks.iter().any(|look| self.sizes.is_large(look.key.as_bytes()));
            let (answer, starts, told) = self
                .look(is_told, is_large, || {
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
                versions.into_iter().map(|version| envelope::tag_version(&version?, starts.server)).collect();
            let version = |tag: &Key| versions[tags.binary_search(&tag).ok()?];
            for (look, value) in looks.iter().zip(values) {
                self.sizes.note(look.key.as_bytes(), value.as_ref().map_or(0, Vec::len));
                let parsed = value.map_or(Parsed::Entry(Entry::Missing), envelope::parse);
                let lookup = Lookup::of(parsed, self.now(), starts.values);
                readings.push(Reading { lookup, tags: look.tags.iter().map(version).collect(), told });
            }
        }
        Ok(readings)
    }

    async fn versions(&self, tags: &[Key], needed: Millis) -> Answer<Vec<Token>> {
        let versions = tags.iter().map(|tag| async move {
            let new = ambient::token();
            let version: Vec<u8> = self
                .step(Route::ANY, &scripts::TAG, tag, |cmd| {
                    cmd.arg(&new.0).arg(needed).arg(needed.saturating_add(millis(KEPT_LONGER)));
                })
                .await?;
            version.try_into().map(Token).map_err(|_| StoreError::Damaged)
        });
        try_join_all(versions).await
    }

    async fn invalidate_tag(&self, tag: &Key) -> Answer<()> {
        self.lanes
            .query(Route::ANYHOW, |_| {
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
            .step(Route::of(token), &scripts::ACQUIRE, key, |cmd| {
                cmd.arg(&token.0).arg(id).arg(if keep { "keep" } else { "drop" }).arg(lease);
            })
            .await?;
        acquired(answer).ok_or(StoreError::Damaged)
    }

    async fn fill(&self, key: &Key, token: Token, sealed: &Sealed) -> Answer<Stored> {
        self.store(token, self.steps.fill, key, sealed.body.as_bytes()).await
    }

    async fn release(&self, key: &Key, token: Token) -> Answer<()> {
        self.step(Route::after(token), &scripts::RELEASE, key, |cmd| {
            cmd.arg(&token.0);
        })
        .await
    }

    async fn renew(&self, key: &Key, token: Token, lease: Millis) -> Answer<bool> {
        self.step(Route::after(token), &scripts::RENEW, key, |cmd| {
            cmd.arg(&token.0).arg(lease);
        })
        .await
    }

    async fn invalidate(&self, key: &Key) -> Answer<()> {
        self.step(Route::ANYHOW, &scripts::INVALIDATE, key, |_| {}).await
    }

    async fn invalidate_matching(&self, pattern: &Pattern) -> Answer<u64> {
        let glob = pattern.glob();
        let mut cursor: u64 = 0;
        let mut gone = 0;
        loop {
            let scan = self.lanes.query(Route::ANY, |_| {
                let mut cmd = redis::cmd("SCAN");
                cmd.arg(cursor).arg("MATCH").arg(&glob).arg("COUNT").arg(SCANNED_AT_ONCE);
                // Other types are none of ours.
                cmd.arg("TYPE").arg("string");
                cmd
            });
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.await?;
            // In small batches, between which the server answers others.
            for keys in keys.chunks(DROPPED_AT_ONCE) {
                let drops = keys
                    .iter()
                    .map(|key| self.run::<u64>(&self.lanes, Route::ANY, &scripts::DROP, key, |_| {}));
                gone += try_join_all(drops).await?.into_iter().sum::<u64>();
            }
            if next == 0 {
                return Ok(gone);
            }
            cursor = next;
        }
    }

    async fn announce(&self, changes: &Changes<'_>) -> Answer<()> {
        if !self.speaks() {
            return Ok(());
        }
        let messages = self
            .channel
            .say(changes)
            .into_iter()
            .map(|message| self.lanes.query::<u64>(Route::ANYHOW, |_| message));
        try_join_all(messages).await.map(drop)
    }

    async fn hold(&self, key: &Key, token: Token, hold: Millis) -> Answer<()> {
        self.step(Route::ANYHOW, self.steps.hold, key, |cmd| {
            cmd.arg(&token.0).arg(hold);
        })
        .await
    }

    async fn begin(&self, key: &Key, token: Token, lease: Millis) -> Answer<()> {
        self.step(Route::of(token), self.steps.begin, key, |cmd| {
            cmd.arg(&token.0).arg(lease);
        })
        .await
    }

    async fn end(&self, key: &Key, token: Token, sealed: Option<&Sealed>) -> Answer<Stored> {
        let body = sealed.map_or(&[][..], |sealed| sealed.body.as_bytes());
        self.store(token, self.steps.end, key, body).await
    }

    async fn remaining(&self, key: &Key) -> Answer<Remaining> {
        let reading = self.read(Look { key, tags: &[], told: false }).await?;
        let Lookup::Value { value, now, .. } = reading.lookup else { return Ok(Remaining::Missing) };
        // The expiry of the key itself: somebody may have changed it by hand.
        let expiry: i64 = self
            .lanes
            .query(Route::ANY, |_| {
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

    fn round_trip(&self) -> Duration {
        self.lanes.round_trip()
    }

    async fn connected(&self) -> bool {
        self.lanes.connected(&self.clock).await
    }

    fn health(&self) -> StoreHealth {
        let warms_up = !self.lanes.warms_up_for(&self.clock).is_zero();
        let trouble = if warms_up {
            let text = "warming up: Redis has just started, and what is stored within its first second is not served";
            Some(text.to_owned())
        } else if self.speaks() {
            self.channel.trouble()
        } else {
            self.tracked.is_refused().then(|| {
                "Redis does not tell of changes: the local level is off; set CACHE_COHERENCE=channel in all services"
                    .to_owned()
            })
        };
        StoreHealth {
            store: format!("redis {}", self.lanes.address()),
            lanes: self.lanes.up(),
            breaker: self.lanes.breaker(),
            warms_up,
            trouble: self.lanes.trouble().or(trouble),
        }
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
