//! The one surface that expansions of the attribute name. Not for people: it changes with every release.

use std::{marker::PhantomData, sync::Arc};

pub use inventory;

use crate::engine::EngineRef;
pub use crate::{
    Entry, KeyPart, KeyWriter, Ttl, TtlClass,
    engine::Target,
    engine::{
        Attached, Batch, BatchResult, BatchShape, CacheValue, Call, Detached, Fallible, FallibleOptional,
        LocalTtl, Opened, Optional, Plain, Rules, Shape, Site, SiteConfig, UnfitShape, View, Write,
        WriteHome,
    },
    entry::EntryRules,
    registry::Registration,
};

/// The cache of one call.
#[derive(Clone, Debug)]
pub struct Cache(EngineRef);

/// The cache that a function uses by default.
#[inline]
#[must_use]
pub fn current() -> Cache {
    Cache(crate::Cache::current_engine())
}

/// What the option `cache` takes: a cache, or what holds one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cache",
    label = "expected a `Cache`",
    note = "help: name a value of type `cache_runtime::Cache`, as in `cache = self.cache`; a type that holds one can implement `AsRef<Cache>`"
)]
pub trait CacheSource {
    /// The cache itself.
    fn source(&self) -> &crate::Cache;
}

#[diagnostic::do_not_recommend]
impl<C: AsRef<crate::Cache> + ?Sized> CacheSource for C {
    #[inline]
    fn source(&self) -> &crate::Cache {
        self.as_ref()
    }
}

/// The cache of the option `cache`.
#[inline]
pub fn cache<C: CacheSource + ?Sized>(cache: &C) -> Cache {
    Cache(EngineRef::Own(Arc::clone(cache.source().engine())))
}

/// What the option `ttl` takes where it is an expression.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a TTL",
    label = "expected a `Duration` or a `TtlClass`",
    note = "help: give the unit, as in `std::time::Duration::from_secs(60)`, or name a class, as in `cache_runtime::TtlClass::Standard`"
)]
pub trait IntoTtl {
    /// As the runtime takes it.
    fn into_ttl(self) -> Ttl;
}

#[diagnostic::do_not_recommend]
impl<T: Into<Ttl>> IntoTtl for T {
    #[inline]
    fn into_ttl(self) -> Ttl {
        self.into()
    }
}

/// A TTL that is an expression.
#[inline]
pub fn ttl<T: IntoTtl>(ttl: T) -> Ttl {
    ttl.into_ttl()
}

/// Begins a key.
#[inline]
#[must_use]
pub fn key(cache: &Cache) -> KeyWriter {
    // Nothing is written yet, so that it can be made where it stays.
    KeyWriter::seeded(cache.0.seed)
}

/// The beginning of every key.
#[inline]
pub fn namespace(key: &mut KeyWriter, cache: &Cache) {
    let prefix = &cache.0.config.prefix;
    if !prefix.is_empty() {
        key.literal(prefix);
    }
}

/// Begins the key of a tag.
#[must_use]
pub fn tag_key(cache: &Cache) -> KeyWriter {
    KeyWriter::tag(&cache.0.config.prefix)
}

/// Begins the key of a string target, without the namespace.
#[inline]
#[must_use]
pub fn target_key() -> KeyWriter {
    KeyWriter::new("")
}

/// Literal text of a template.
#[inline]
pub fn literal(key: &mut KeyWriter, text: &str) {
    key.literal(text);
}

/// Begins an argument.
#[inline]
pub fn open(key: &mut KeyWriter, stop: u8) {
    key.open(stop);
}

/// Ends an argument.
#[inline]
pub fn close(key: &mut KeyWriter) {
    key.close();
}

/// A type parameter as an argument.
#[inline]
pub fn type_name<T: ?Sized>(key: &mut KeyWriter) {
    key.text(std::any::type_name::<T>());
}

/// One call.
#[inline]
#[must_use]
pub fn call(cache: &Cache, site: &'static Site, key: KeyWriter, bypass: bool) -> Call {
    let hash = key.hash();
    Call { engine: cache.0.clone(), site, key: key.finish(), hash, tags: Box::default(), bypass }
}

/// What this process holds of a call's result, before anything is moved.
#[inline]
pub fn local<S>(
    cache: &Cache,
    site: &'static Site,
    key: &KeyWriter,
    bypass: bool,
    shape: S,
) -> Option<S::Output>
where
    S: Shape<Value: CacheValue>,
{
    if bypass {
        return None;
    }
    crate::engine::local(&cache.0, site, key, shape)
}

/// The handle of an entry.
#[must_use]
pub fn entry<R>(
    cache: &Cache,
    site: &'static Site,
    key: KeyWriter,
    tags: Vec<KeyWriter>,
    rules: EntryRules,
) -> Entry<R> {
    Entry::new(call(cache, site, key, false).tagged(tags), rules)
}

/// A target that is another function's entry.
#[must_use]
pub fn target<R>(entry: Entry<R>) -> Target {
    entry.into_target()
}

/// A target that is a string.
#[must_use]
pub fn string_target(cache: &Cache, key: KeyWriter) -> Target {
    crate::Cache::target(&cache.0, &key.finish().to_string())
}

/// A target that is a tag.
#[must_use]
pub fn tag_target(cache: &Cache, tag: KeyWriter) -> Target {
    Target::tag(&cache.0, tag.finish())
}

/// A target that is a pattern.
#[must_use]
pub fn pattern_target(cache: &Cache, pattern: KeyWriter) -> Target {
    crate::Cache::pattern_target(&cache.0, &pattern.finish().to_string())
}

/// A body that uses the cache of this scope also where it goes on in a task of its own.
pub fn carried<F: Future>(body: F) -> impl Future<Output = F::Output> {
    crate::Cache::carried(body)
}

/// An argument that is a reference: `(&&Arg::new(name)).kind()` says whether it can be made owned.
#[derive(Debug)]
pub struct Arg<'a, T: ?Sized>(PhantomData<&'a T>);

impl<'a, T: ?Sized> Arg<'a, T> {
    /// Of an argument.
    pub const fn new(_: &'a T) -> Self {
        Self(PhantomData)
    }
}

/// What can be made owned.
pub trait ArgCloned {
    /// How.
    fn kind(&self) -> Cloned;
}

// What is not `Sync`, such as a `Cell`, is lent to be changed: a copy would take the change.
impl<T: ?Sized + Sync + ToOwned<Owned: Send + 'static>> ArgCloned for &Arg<'_, T> {
    fn kind(&self) -> Cloned {
        Cloned
    }
}

/// What stays a reference.
pub trait ArgKept {
    /// How.
    fn kind(&self) -> Kept;
}

impl<T: ?Sized> ArgKept for Arg<'_, T> {
    fn kind(&self) -> Kept {
        Kept
    }
}

/// An argument that is made owned when the body is needed.
#[derive(Clone, Copy, Debug)]
pub struct Cloned;

/// An argument that stays a reference.
#[derive(Clone, Copy, Debug)]
pub struct Kept;

impl Cloned {
    /// Makes it owned.
    pub fn take<T: ?Sized + ToOwned>(self, argument: &T) -> Owned<T> {
        Owned(argument.to_owned())
    }
}

impl Kept {
    /// Leaves it as it is.
    pub fn take<T: ?Sized>(self, argument: &T) -> Borrowed<'_, T> {
        Borrowed(argument)
    }
}

/// An argument for a body that may outlive the caller.
#[expect(missing_debug_implementations, reason = "arguments need not have one")]
pub struct Owned<T: ?Sized + ToOwned>(T::Owned);

/// An argument for a body that ends with its caller.
#[expect(missing_debug_implementations, reason = "arguments need not have one")]
pub struct Borrowed<'a, T: ?Sized>(&'a T);

impl<T: ?Sized + ToOwned> Owned<T> {
    /// As the function takes it.
    pub fn get(&self) -> &T {
        std::borrow::Borrow::borrow(&self.0)
    }
}

impl<T: ?Sized> Borrowed<'_, T> {
    /// As the function takes it.
    pub fn get(&self) -> &T {
        self.0
    }
}

/// Lists in which every reference can be made owned.
pub trait AllCloned {}

macro_rules! all_cloned {
    ($($name:ident)*) => {
        impl AllCloned for ($(all_cloned!(@ $name),)*) {}
    };
    (@ $name:ident) => { Cloned };
}
all_cloned!();
all_cloned!(a);
all_cloned!(a b);
all_cloned!(a b c);
all_cloned!(a b c d);
all_cloned!(a b c d e);
all_cloned!(a b c d e f);

/// Finds out whether a load may outlive its caller: `(&&Launch::of(|| body(..), kinds)).launch()` is [`Detached`] where the
/// body's future is `Send` and all that it borrows can be made owned, else [`Attached`].
#[derive(Debug)]
pub struct Launch<K, F>(PhantomData<fn() -> (K, F)>);

impl<K, F> Launch<K, F> {
    /// Of a body, and of the kinds of those arguments that are references.
    pub fn of(_: impl FnOnce() -> F, _: K) -> Self {
        Self(PhantomData)
    }
}

/// What may outlive its caller.
pub trait LaunchDetached {
    /// How.
    fn launch(&self) -> Detached;
}

impl<K: AllCloned, F: Future<Output: Send> + Send> LaunchDetached for &Launch<K, F> {
    fn launch(&self) -> Detached {
        Detached
    }
}

/// What may not.
pub trait LaunchAttached {
    /// How.
    fn launch(&self) -> Attached;
}

impl<K, F> LaunchAttached for Launch<K, F> {
    fn launch(&self) -> Attached {
        Attached
    }
}

/// Where `detach` is asked for: `(&&Sends::<R>::NEW).launch()` is [`Detached`] where a result can go to another task. Where
/// it cannot, [`Detachable`] says so, and nothing else does.
#[derive(Debug)]
pub struct Sends<R>(PhantomData<fn() -> R>);

impl<R> Sends<R> {
    /// A probe for `R`.
    pub const NEW: Self = Self(PhantomData);
}

/// What may go to another task.
pub trait SendsDetached {
    /// How.
    fn launch(&self) -> Detached;
}

impl<R: Send> SendsDetached for &Sends<R> {
    fn launch(&self) -> Detached {
        Detached
    }
}

/// What may not.
pub trait SendsAttached {
    /// How.
    fn launch(&self) -> Attached;
}

impl<R> SendsAttached for Sends<R> {
    fn launch(&self) -> Attached {
        Attached
    }
}

/// Begins a write, with or without a key of its own. With `bypass` it stores nothing, and invalidates all the same.
pub async fn write(
    cache: &Cache,
    site: &'static Site,
    own: Option<KeyWriter>,
    tags: Vec<KeyWriter>,
    targets: Vec<Target>,
    bypass: bool,
) -> Write {
    let mut targets = targets;
    let own = own.map(|key| call(cache, site, key, bypass).tagged(tags));
    targets.extend(own.as_ref().and_then(Call::previous_versions));
    let own = own.map(|own| (own.key, own.tags.into()));
    let mut write = Box::pin(Write::begin(&cache.0, site, own, targets)).await;
    write.bypass(bypass);
    write
}

/// Takes the argument that a write stores when its body succeeds.
pub fn store_argument<V, T, C>(write: &mut Write, value: &V, ttl: T, cache_if: C)
where
    V: CacheValue,
    T: Fn(&V) -> Ttl,
    C: Fn(&V) -> bool,
{
    write.argument(value, &Rules::new(ttl, cache_if));
}

/// Says of a write that it has failed before it changed anything.
pub fn note_unchanged(write: &mut Write, unchanged: bool) {
    write.unchanged(unchanged);
}

/// Ends a write that stores its result.
pub async fn finish_storing<S, T, C>(
    write: Write,
    shape: S,
    rules: Rules<T, C>,
    output: S::Output,
    late: Vec<Target>,
) -> S::Output
where
    S: Shape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    write.finish_storing(shape, rules, output, late).await
}

/// Whether a body has failed before it changed anything.
pub fn unchanged<S: Shape>(shape: S, output: &S::Output, unchanged: impl FnOnce(&S::Error) -> bool) -> bool {
    shape.error(output).is_some_and(unchanged)
}

/// The value of a result, where there is one.
pub fn made<S: Shape>(shape: S, output: &S::Output) -> Option<&S::Value> {
    match shape.view(output) {
        View::Value(value) => Some(value),
        View::Negative | View::Failed => None,
    }
}

/// Rules of the right types for a shape.
pub fn rules<S, T, C>(_: S, ttl: T, cache_if: C) -> Rules<T, C>
where
    S: Shape,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    Rules::new(ttl, cache_if)
}

/// Targets of the right type for a shape.
pub fn late<S, F>(_: S, value: &S::Value, target: F) -> Target
where
    S: Shape,
    F: FnOnce(&S::Value) -> Target,
{
    target(value)
}

/// The rules of an entry whose function looks at the value.
pub fn entry_rules<S, T, C>(_: S, rules: Rules<T, C>) -> EntryRules
where
    S: Shape<Value: 'static>,
    T: Fn(&S::Value) -> Ttl + Send + Sync + 'static,
    C: Fn(&S::Value) -> bool + Send + Sync + 'static,
{
    EntryRules::judged::<S::Value, T, C>(rules)
}

/// [`CacheValue`] of a result. Expansions name it first, so that the message has no frames of ours; without supertraits, so
/// that it is one message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "needs `Serialize`, `Deserialize`, `Clone`, `Send`, `Sync` and no borrows",
    note = "help: add `#[derive(Clone, serde::Serialize, serde::Deserialize)]` to the type and to those in it; share with `Arc`, not `Rc`"
)]
pub trait ResultValue: Sized {
    /// Compiles where it can be stored.
    fn fits(_: PhantomData<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<V: CacheValue> ResultValue for V {}

/// The same for a type that has the name of a web framework's response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is the response of a web framework, which a cache cannot store",
    label = "a response",
    note = "help: put `#[cached]` on the service function that returns the data, and make the response of it in the handler"
)]
pub trait ServiceValue: Sized {
    /// Compiles where it can be stored.
    fn fits(_: PhantomData<Self>) {}
}

#[diagnostic::do_not_recommend]
impl<V: CacheValue> ServiceValue for V {}

/// The value of a shape, for [`ResultValue::fits`].
#[inline]
pub fn value_of<S: Shape>(_: S) -> PhantomData<S::Value> {
    PhantomData
}

/// The value of a batch's shape, for [`ResultValue::fits`].
#[inline]
pub fn batch_value_of<S: BatchShape>(_: S) -> PhantomData<S::Value> {
    PhantomData
}

/// What a load may bring to another task.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot go to another task, as `detach = true` and background refreshes need",
    label = "not `Send`",
    note = "help: return an error that is `Send`, such as `Box<dyn Error + Send + Sync>`, or remove `detach`"
)]
pub trait Detachable {
    /// Compiles where it can.
    fn fits() {}
}

#[diagnostic::do_not_recommend]
impl<T: Send> Detachable for T {}

/// What `negative_ttl` is for.
#[diagnostic::on_unimplemented(
    message = "`negative_ttl` is how long `None` is cached, and `{Self}` is never `None`",
    label = "no `Option`",
    note = "help: remove `negative_ttl`, or return `Option<..>` or `Result<Option<..>, ..>`"
)]
pub trait MayBeAbsent {
    /// Compiles where the result can be `None`.
    fn fits() {}
}

#[diagnostic::do_not_recommend]
impl<T> MayBeAbsent for Option<T> {}
#[diagnostic::do_not_recommend]
impl<T, E> MayBeAbsent for Result<Option<T>, E> {}

/// Finds the shape of a result by its type, not by its spelling: `(&&&&&&&&&&Probe::<R>::new()).shape()` takes the first
/// of these impls that fits, from the one with the most references down.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<fn() -> R>);

impl<R> Probe<R> {
    /// A probe for `R`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default would be one more item in every expansion")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

macro_rules! probes {
    ($(
        $(#[$doc:meta])* $name:ident {
            $($probe:ty => $shape:ident::$constant:ident<$($parameter:ident $(: $bound:tt $(+ $more:tt)*)?),+>;)+
        }
    )*) => {$(
        $(#[$doc])*
        pub trait $name {
            /// The shape.
            type Shape;
            /// The shape.
            fn shape(&self) -> Self::Shape;
        }

        $(impl<$($parameter $(: $bound $(+ $more)*)?),+> $name for $probe {
            type Shape = $shape<$($parameter),+>;

            fn shape(&self) -> Self::Shape {
                $shape::$constant
            }
        })+
    )*};
}

// In each trait, values that can be compared come first.
probes! {
    /// `Result<Option<T>, E>`, `E: Clone`
    ProbeFallibleOptionalShared {
        &&&&&&&&&Probe<Result<Option<T>, E>>
            => FallibleOptional::SHARED_COMPARED<T: PartialEq, E: Clone + Send + Sync + 'static>;
        &&&&&&&&Probe<Result<Option<T>, E>> => FallibleOptional::SHARED<T, E: Clone + Send + Sync + 'static>;
    }
    /// `Result<Option<T>, E>`
    ProbeFallibleOptional {
        &&&&&&&Probe<Result<Option<T>, E>> => FallibleOptional::COMPARED<T: PartialEq, E>;
        &&&&&&Probe<Result<Option<T>, E>> => FallibleOptional::NEW<T, E>;
    }
    /// `Result<T, E>`, `E: Clone`
    ProbeFallibleShared {
        &&&&&Probe<Result<T, E>> => Fallible::SHARED_COMPARED<T: PartialEq, E: Clone + Send + Sync + 'static>;
        &&&&Probe<Result<T, E>> => Fallible::SHARED<T, E: Clone + Send + Sync + 'static>;
    }
    /// `Result<T, E>`
    ProbeFallible {
        &&&Probe<Result<T, E>> => Fallible::COMPARED<T: PartialEq, E>;
        &&Probe<Result<T, E>> => Fallible::NEW<T, E>;
    }
    /// `Option<T>`: shares its levels with [`ProbeFallible`], which it cannot clash with.
    ProbeOptional {
        &&&Probe<Option<T>> => Optional::COMPARED<T: PartialEq>;
        &&Probe<Option<T>> => Optional::NEW<T>;
    }
    /// Everything else.
    ProbePlain {
        &Probe<T> => Plain::COMPARED<T: PartialEq>;
        Probe<T> => Plain::NEW<T>;
    }
}

/// Finds the shape of a batch: `(&&BatchProbe::<R, _>::of(&ids)).shape()`.
#[derive(Debug)]
pub struct BatchProbe<R, K>(PhantomData<fn() -> (R, K)>);

impl<R, K> BatchProbe<R, K> {
    /// Of these ids.
    #[must_use]
    pub const fn of(_: &[K]) -> Self {
        Self(PhantomData)
    }
}

/// What a batch can return.
pub trait BatchProbeFit {
    /// The shape.
    type Shape;
    /// The shape.
    fn shape(&self) -> Self::Shape;
}

impl<R: BatchResult<K>, K> BatchProbeFit for &BatchProbe<R, K> {
    type Shape = R::Shape;

    fn shape(&self) -> R::Shape {
        R::Shape::NEW
    }
}

/// What it cannot: [`batch_result`] says so, and nothing else does.
pub trait BatchProbeUnfit {
    /// The shape.
    type Shape;
    /// The shape.
    fn shape(&self) -> Self::Shape;
}

impl<R, K> BatchProbeUnfit for BatchProbe<R, K> {
    type Shape = UnfitShape<R, K>;

    fn shape(&self) -> UnfitShape<R, K> {
        UnfitShape::NEW
    }
}

/// Compiles where a batch can return this.
pub const fn batch_result<R: BatchResult<K>, K>(_: &BatchProbe<R, K>) {}

/// The ids, owned.
pub fn batch_ids<S: BatchShape>(shape: S, ids: &[S::Id]) -> Vec<S::Id> {
    ids.iter().map(|id| shape.copy(id)).collect()
}

/// Rules of the right types for a batch.
pub fn batch_rules<S, T, C>(_: S, ttl: T, cache_if: C) -> Rules<T, C>
where
    S: BatchShape,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
{
    Rules::new(ttl, cache_if)
}

/// Calls a function that reads many entries.
#[expect(clippy::too_many_arguments, reason = "what an expansion knows, and four closures")]
pub fn batch<S, T, C, B, F>(
    cache: &Cache,
    site: &'static Site,
    shape: S,
    ids: Vec<S::Id>,
    bypass: bool,
    key: impl Fn(&S::Id) -> KeyWriter,
    tags: impl Fn(&S::Id) -> Vec<KeyWriter>,
    rules: Rules<T, C>,
    body: B,
) -> impl Future<Output = S::Output>
where
    S: BatchShape<Value: CacheValue>,
    T: Fn(&S::Value) -> Ttl,
    C: Fn(&S::Value) -> bool,
    B: FnMut(Vec<S::Id>) -> F,
    F: Future<Output = S::Output>,
{
    Batch { engine: cache.0.clone(), site, shape, ids, bypass }.call(key, tags, rules, body)
}
