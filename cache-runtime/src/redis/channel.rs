//! The channel `cache:invalidate`, for servers that do not track, and for services in other languages.
//!
//! Who changes keys says so in a JSON object: `{"keys": ["shop:user:42"]}`, with the keys as they are in Redis. `"tags"`
//! (names behind the namespace: `["shop:org:7"]`), `"prefix"` and `"patterns"` (with `*`) are optional, as is `"from"`, by
//! which the sender knows its own messages again. What is no such object is not for us.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
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
use tokio::{runtime::Handle, task::JoinHandle};

use super::{config::RedisConfig, listener::Listener};
use crate::{
    ambient::{self, Deadline, Stopwatch},
    domain::{entry::Token, key::Key, pattern::Pattern},
};

const NAME: &str = "cache:invalidate";
const CONNECT: Duration = Duration::from_millis(250);
/// How often the connection is asked whether it is alive, and how long it has for an answer.
const HEARTBEAT: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
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
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Ear {
    config: RedisConfig,
    listener: Arc<dyn Listener>,
    /// The namespace and a colon, or nothing.
    prefix: Arc<str>,
    /// Beginning of the name of this process on the channel.
    own: Token,
    up: Arc<AtomicBool>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", if self.is_up() { "up" } else { "down" })
    }
}

impl Channel {
    pub(crate) fn new(config: RedisConfig, listener: Arc<dyn Listener>, prefix: &str) -> Self {
        let (prefix, own) = (Arc::from(prefix), ambient::token());
        let ear = Ear { config, listener, prefix, own, up: Arc::default() };
        Self { ear, task: Mutex::default() }
    }

    /// Begins to listen, or begins anew where the runtime that it was done on is gone.
    pub(crate) fn listen(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(runtime.spawn(self.ear.clone().run()));
        }
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
            message.insert("from".to_owned(), Value::from(self.ear.name()));
            let mut cmd = Cmd::new();
            cmd.arg("PUBLISH").arg(NAME).arg(Value::from(message).to_string());
            cmd
        });
        messages.collect()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
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
        let mut backoff = FIRST_BACKOFF;
        let mut reported = false;
        loop {
            let connected = Deadline::after(CONNECT).bound(self.connect()).await;
            match connected {
                Some(Ok((sink, stream))) => {
                    (backoff, reported) = (FIRST_BACKOFF, false);
                    self.listener.up();
                    self.up.store(true, Ordering::Release);
                    self.hear_all(sink, stream).await;
                    self.down();
                }
                Some(Err(error)) if !reported => {
                    tracing::warn!(redis = %self.config, %error, "`{NAME}` is not heard; trying again");
                    reported = true;
                }
                Some(Err(_)) | None => {}
            }
            ambient::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
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
