//! The entry of a cached function, as its companion hands it out: `get_user::entry(&42)`.

use std::{any::Any, fmt, marker::PhantomData, ops::Deref, time::Duration};

use crate::{
    Cache, Key, Ttl, codec,
    domain::{entry::Millis, policy::Usable},
    engine::{CacheValue, Call, Fallible, Found, Invalidated, Plain, Rules, Shape, Target, Write},
    registry,
    store::Store as _,
};

/// Time that an entry has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remaining {
    /// It holds a value for so long.
    For(Duration),
    /// It holds none.
    Missing,
    /// It holds a value without an end: somebody has taken the expiry away (`PERSIST`).
    Persistent,
}

impl Remaining {
    pub(crate) fn until(end: Millis, now: Millis) -> Self {
        match end.checked_sub(now) {
            None | Some(0) => Self::Missing,
            Some(left) => Self::For(Duration::from_millis(left)),
        }
    }
}

/// How long a value is stored; `None`: not at all.
type Judge = Box<dyn Fn(&dyn Any) -> Option<Ttl> + Send + Sync>;

/// How the function that an entry belongs to stores its values.
pub enum EntryRules {
    /// For so long.
    Fixed(Ttl),
    /// That depends on the value.
    Judged(Judge),
}

impl EntryRules {
    /// The rules of a function that looks at the value.
    pub fn judged<V, T, C>(rules: Rules<T, C>) -> Self
    where
        V: 'static,
        T: Fn(&V) -> Ttl + Send + Sync + 'static,
        C: Fn(&V) -> bool + Send + Sync + 'static,
    {
        Self::Judged(Box::new(move |value| {
            let value = value.downcast_ref::<V>()?;
            (rules.cache_if)(value).then(|| (rules.ttl)(value))
        }))
    }

    fn judge<V: 'static>(&self, value: &V) -> Ttl {
        match self {
            Self::Fixed(ttl) => *ttl,
            Self::Judged(judge) => judge(value).unwrap_or(Ttl::For(Duration::ZERO)),
        }
    }
}

impl fmt::Debug for EntryRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(ttl) => ttl.fmt(f),
            Self::Judged(_) => f.write_str("Judged"),
        }
    }
}

/// One entry of a cached function that returns `R`, named by the arguments of one call.
///
/// Made by the companion of the function: `get_user::entry(&42)`, or `self.find_entry(&42)` for a method.
#[derive(Debug)]
pub struct Entry<R>(PlainEntry<R>);

/// What an [`Entry`] can do whatever the function returns.
#[derive(Debug)]
pub struct PlainEntry<R> {
    call: Call,
    rules: EntryRules,
    output: PhantomData<fn() -> R>,
}

impl Call {
    /// The keys that a write of this entry makes unusable.
    fn target(&self) -> Target {
        let Self { engine, site, key, .. } = self;
        let keys = registry::with_previous_versions(key.clone(), &engine.config.prefix, site.config.version);
        Target::keys(engine, keys)
    }

    /// Those of them that belong to earlier versions of the function.
    pub(crate) fn previous_versions(&self) -> Option<Target> {
        let mut target = self.target();
        target.keys.remove(0);
        (!target.keys.is_empty()).then_some(target)
    }
}

impl<R> Deref for Entry<R> {
    type Target = PlainEntry<R>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<R> Entry<R> {
    pub(crate) fn new(call: Call, rules: EntryRules) -> Self {
        Self(PlainEntry { call, rules, output: PhantomData })
    }

    pub(crate) fn into_target(self) -> Target {
        self.0.target()
    }
}

impl<T: CacheValue, E> Entry<Result<T, E>> {
    /// What the cache holds, without loading. `None`: nothing that can be used.
    ///
    /// # Consistency
    /// As a call of the function: never older than what was written before.
    pub async fn peek(&self) -> Option<T> {
        self.0.peek_value().await
    }

    /// Runs `load` as a write and stores what it brings, if nobody else wrote this entry meanwhile.
    ///
    /// Readers go to the database until it ends. The value comes back in any case; an `Err` is not stored.
    ///
    /// # Cancel safety
    /// Dropped, it invalidates the entry.
    pub async fn insert_with<F, B>(&self, load: F) -> Result<T, E>
    where
        F: FnOnce() -> B,
        B: Future<Output = Result<T, E>>,
    {
        self.0.insert(Fallible::<T, E>::NEW, load()).await
    }
}

impl<R> PlainEntry<R> {
    /// The exact key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.call.key
    }

    /// Drops the entry everywhere; a load in progress will not store what it loads.
    ///
    /// `false`: Redis did not acknowledge it in time. Then it is repeated until it does, and this process does not
    /// serve the entry meanwhile.
    ///
    /// # Cancel safety
    /// Once polled it is carried out, also when the caller goes away.
    pub async fn invalidate(&self) -> bool {
        self.call.engine.invalidate(self.target()).await.acknowledged
    }

    /// How long the value is still stored.
    pub async fn ttl(&self) -> Remaining {
        self.call.engine.store.remaining(&self.call.key).await.unwrap_or(Remaining::Missing)
    }

    fn target(&self) -> Target {
        self.call.target()
    }

    async fn peek_value<V: CacheValue>(&self) -> Option<V> {
        match self.call.find().await {
            Ok(Found::Value(value, held)) if held.usable != Usable::IfError => Some(value),
            Ok(Found::Negative(held)) if held.usable != Usable::IfError => codec::negative(),
            Ok(_) | Err(_) => None,
        }
    }

    async fn insert<S, B>(&self, shape: S, load: B) -> S::Output
    where
        S: Shape<Value: CacheValue>,
        B: Future<Output = S::Output>,
    {
        let Call { engine, site, key, tags, .. } = &self.call;
        let mut write = Write::begin(
            engine,
            site,
            Some((key.clone(), tags.to_vec())),
            self.call.previous_versions().into_iter().collect(),
        )
        .await;
        let output = write.run(load).await;
        let rules = Rules::new(|value: &S::Value| self.rules.judge(value), |_: &S::Value| true);
        write.finish_storing(shape, rules, output, Vec::new()).await
    }
}

impl<R: CacheValue> PlainEntry<R> {
    /// What the cache holds, without loading. `None`: nothing that can be used.
    ///
    /// # Consistency
    /// As a call of the function: never older than what was written before.
    pub async fn peek(&self) -> Option<R> {
        self.peek_value().await
    }

    /// Runs `load` as a write and stores what it brings, if nobody else wrote this entry meanwhile.
    ///
    /// Readers go to the database until it ends. The value comes back in any case.
    ///
    /// # Cancel safety
    /// Dropped, it invalidates the entry.
    pub async fn insert_with<F, B>(&self, load: F) -> R
    where
        F: FnOnce() -> B,
        B: Future<Output = R>,
    {
        self.insert(Plain::<R>::NEW, load()).await
    }
}

/// By key and type, without a function: for what no attribute can express.
impl Cache {
    /// The value under a key (without the namespace), if it is one of type `V`.
    pub async fn get<V: CacheValue>(&self, key: &str) -> Option<V> {
        self.untyped(key, Ttl::For(Duration::ZERO)).peek_value().await
    }

    /// Runs `load` as a write and stores what it brings for `ttl`, if nobody else wrote this key meanwhile.
    pub async fn insert_with<V, F, B>(&self, key: &str, ttl: impl Into<Ttl>, load: F) -> V
    where
        V: CacheValue,
        F: FnOnce() -> B,
        B: Future<Output = V>,
    {
        self.untyped(key, ttl.into()).insert(Plain::<V>::NEW, load()).await
    }

    /// Drops the entry of a key (without the namespace) everywhere, under each version that a function gives it.
    ///
    /// `false`: Redis did not acknowledge it in time; see [`PlainEntry::invalidate`].
    pub async fn invalidate(&self, key: &str) -> bool {
        self.engine().invalidate(Self::target(self.engine(), key)).await.acknowledged
    }

    /// Makes all entries unusable that carry a tag (without the namespace): one command, however many they are.
    ///
    /// `false`: Redis did not acknowledge it in time; see [`PlainEntry::invalidate`].
    ///
    /// # Consistency
    /// A read that begins afterwards does not get what was loaded before.
    pub async fn invalidate_tag(&self, tag: &str) -> bool {
        let tag = Key::tag(&self.engine().config.prefix, tag);
        self.engine().invalidate(Target::tag(self.engine(), tag)).await.acknowledged
    }

    /// Drops all entries whose keys (without the namespace) match, loads under way included; `*` stands for any text, and
    /// no other character has a meaning. Never leaves the namespace.
    ///
    /// Walks over all keys of the database (`SCAN`), a thousand at a time: about a second for a million. A tag does the same
    /// at once. The walk goes on when the caller goes away.
    ///
    /// # Consistency
    /// A read that begins afterwards does not get what was loaded before.
    pub async fn invalidate_matching(&self, pattern: &str) -> Invalidated {
        self.engine().invalidate(Self::pattern_target(self.engine(), pattern)).await
    }
}
