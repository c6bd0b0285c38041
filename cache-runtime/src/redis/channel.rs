//! The channel `cache:invalidate`, for servers that do not track, and for services in other languages.
//!
//! Who changes keys says so in a JSON object: `{"keys": ["shop:user:42"]}`, with the keys as they are in Redis. `"tags"`
//! (names behind the namespace: `["shop:org:7"]`), `"prefix"` and `"patterns"` (with `*`) are optional, as is `"from"`, by
//! which the sender knows its own messages again. What is no such object is not for us.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bb8_redis::redis::{
    Client, Cmd, RedisError, Value as Reply,
    aio::{PubSubSink, PubSubStream},
};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value};

use super::{config::RedisConfig, lanes::LanesConfig, listener::Listener, pace::Pace};
use crate::{
    ambient::{self, Deadline, Stopwatch, home::Residents},
    domain::{entry::Token, key::Key, pattern::Pattern},
};

const NAME: &str = "cache:invalidate";
const TRACKING: &str = "tracking";
const MISSED: &str = "a process of this namespace does not say on `cache:invalidate` what it changes, and what is held \
                      locally stays until its TTL ends: set CACHE_COHERENCE=channel in all services";
/// How often the connection is asked whether it is alive, and how long it has for an answer.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A larger message is not read: it may name anything.
const LARGEST: usize = 1 << 20;
/// With more bytes of patterns in it all is dropped instead: each of them is compared with every key that is held.
const PATTERNS: usize = 1 << 10;
/// So many names are put into one message.
const NAMES: usize = 1_000;

/// What a write has changed.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    pub(crate) keys: Vec<&'a Key>,
    pub(crate) tags: Vec<&'a Key>,
    pub(crate) patterns: Vec<&'a Pattern>,
}

/// Hears the channel, and knows how to speak on it.
pub(crate) struct Channel {
    ear: Ear,
    task: Residents,
}

#[derive(Clone)]
struct Ear {
    config: RedisConfig,
    listener: Arc<dyn Listener>,
    /// The namespace and a colon, or nothing.
    prefix: Arc<str>,
    /// Beginning of the name of this process on the channel.
    own: Token,
    /// How long a call waits for the server.
    budget: Duration,
    up: Arc<AtomicBool>,
    /// Another process of this namespace says nothing of what it changes.
    misses_some: Arc<AtomicBool>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", if self.is_up() { "up" } else { "down" })
    }
}

impl Channel {
    pub(crate) fn new(config: &LanesConfig, listener: Arc<dyn Listener>, prefix: &str) -> Self {
        let ear = Ear {
            config: config.redis.clone(),
            listener,
            prefix: Arc::from(prefix),
            own: ambient::token(),
            budget: config.budget,
            up: Arc::default(),
            misses_some: Arc::default(),
        };
        Self { ear, task: Residents::default() }
    }

    /// Begins to listen, on the cache's own thread.
    pub(crate) fn listen(&self) {
        self.task.ensure(|home| {
            self.ear.up.store(false, Ordering::Release);
            vec![home.spawn(self.ear.clone().run()).abort_handle()]
        });
    }

    /// What is missed.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.ear.misses_some.load(Ordering::Acquire).then(|| MISSED.to_owned())
    }

    /// Says that this process follows the server, and says nothing here.
    pub(crate) fn says_that_it_tracks(&self) -> Cmd {
        let mut message = Map::new();
        message.insert("coherence".to_owned(), Value::from(TRACKING));
        message.insert("namespace".to_owned(), Value::from(self.ear.namespace()));
        self.publish(message)
    }

    /// Whether what others say is heard.
    pub(crate) fn is_up(&self) -> bool {
        self.ear.up.load(Ordering::Acquire)
    }

    /// The commands that tell everybody of changes.
    pub(crate) fn say(&self, changes: &Changes<'_>) -> Vec<Cmd> {
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
        let prefix = &*self.ear.prefix;
        let keys = changes.keys.iter().map(|key| ("keys", text(key.as_bytes())));
        let tags = changes.tags.iter().filter_map(|tag| {
            let name = Key::tag_name(tag.as_bytes(), prefix)?;
            Some(("tags", text(&[prefix.as_bytes(), name].concat())))
        });
        let patterns = changes.patterns.iter().map(|pattern| ("patterns", text(pattern.as_bytes())));
        let all: Vec<(&str, Value)> = keys.chain(tags).chain(patterns).collect();
        let messages = all.chunks(NAMES).map(|names| {
            let mut message = Map::new();
            for (kind, name) in names {
                let list = message.entry(*kind).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().into_iter().for_each(|list| list.push(name.clone()));
            }
            self.publish(message)
        });
        messages.collect()
    }

    fn publish(&self, mut message: Map<String, Value>) -> Cmd {
        message.insert("from".to_owned(), Value::from(self.ear.name()));
        let mut cmd = Cmd::new();
        cmd.arg("PUBLISH").arg(NAME).arg(Value::from(message).to_string());
        cmd
    }
}

impl Ear {
    /// The name of this process on the channel. One that was forked off has another: each drops what the other says.
    fn name(&self) -> String {
        format!("{:032x}-{}", u128::from_be_bytes(self.own.0), std::process::id())
    }

    async fn run(self) {
        // Also where the runtime goes away.
        let _down = Down(&self);
        let mut pace = Pace::new(self.budget);
        let mut reported = false;
        loop {
            let at_most = pace.attempt(Duration::ZERO, false);
            match Deadline::after(at_most).bound(self.connect()).await {
                Some(Ok((sink, stream))) => {
                    reported = false;
                    let up = Stopwatch::start();
                    self.listener.up();
                    self.up.store(true, Ordering::Release);
                    self.hear_all(sink, stream).await;
                    self.down();
                    pace.lost(up.elapsed());
                }
                Some(Err(error)) => {
                    if !reported {
                        tracing::warn!(redis = %self.config, %error, "`{NAME}` is not heard; trying again");
                        reported = true;
                    }
                    pace.failed();
                }
                None => pace.failed(),
            }
            ambient::sleep(pace.pause()).await;
        }
    }

    fn namespace(&self) -> &str {
        self.prefix.trim_end_matches(':')
    }

    fn down(&self) {
        self.up.store(false, Ordering::Release);
        self.listener.lost();
    }

    async fn connect(&self) -> Result<(PubSubSink, PubSubStream), RedisError> {
        let mut channel = Client::open(self.config.info.clone())?.get_async_pubsub().await?;
        channel.subscribe(NAME).await?;
        Ok(channel.split())
    }

    /// Returns when the connection is gone, or does not answer.
    async fn hear_all(&self, mut sink: PubSubSink, mut stream: PubSubStream) {
        loop {
            let beat = Deadline::after(HEARTBEAT);
            while !beat.has_passed() {
                match beat.bound(stream.next()).await {
                    Some(Some(message)) => self.hear(message.get_payload_bytes()),
                    Some(None) => return,
                    None => break,
                }
            }
            let sent = Stopwatch::start();
            let answer = Deadline::after(HEARTBEAT);
            let mut ping = std::pin::pin!(sink.ping::<Reply>());
            loop {
                tokio::select! {
                    // What was said before the answer is heard before it.
                    biased;
                    message = stream.next() => match message {
                        Some(message) => self.hear(message.get_payload_bytes()),
                        None => return,
                    },
                    answered = answer.bound(&mut ping) => match answered {
                        Some(Ok(_)) => break,
                        Some(Err(_)) | None => return,
                    },
                }
            }
            while let Some(Some(message)) = stream.next().now_or_never() {
                self.hear(message.get_payload_bytes());
            }
            self.listener.alive(sent);
        }
    }

    fn hear(&self, message: &[u8]) {
        if message.len() > LARGEST {
            self.listener.changed_all();
            return;
        }
        let Ok(Value::Object(message)) = serde_json::from_slice(message) else {
            tracing::debug!("a message on `{NAME}` is no JSON object");
            return;
        };
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        if text("from") == Some(&*self.name()) {
            // It was carried out before it was said.
            return;
        }
        if text("coherence") == Some(TRACKING)
            && text("namespace") == Some(self.namespace())
            && !self.misses_some.swap(true, Ordering::AcqRel)
        {
            tracing::warn!(redis = %self.config, "{MISSED}");
        }
        let all = |name: &str| message.get(name).and_then(Value::as_array).into_iter().flatten();
        for key in all("keys").filter_map(Value::as_str) {
            self.listener.changed(key.as_bytes());
        }
        for tag in all("tags").filter_map(Value::as_str) {
            if let Some(name) = tag.strip_prefix(&*self.prefix) {
                self.listener.changed(Key::tag(&self.prefix, name).as_bytes());
            }
        }
        let patterns = || all("patterns").filter_map(Value::as_str);
        if patterns().chain(text("prefix")).map(|text| text.len() + 1).sum::<usize>() > PATTERNS {
            self.listener.changed_all();
            return;
        }
        for pattern in patterns().map(Pattern::new).chain(text("prefix").map(Pattern::of_prefix)) {
            self.listener.changed_matching(&pattern);
        }
    }
}

struct Down<'a>(&'a Ear);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        self.0.down();
    }
}
