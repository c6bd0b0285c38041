//! What a batch returns: which part of it belongs to which id, and how to put it together from parts.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use super::shape::Sharing;
use crate::flight::Shared;

/// Results of many ids.
pub trait Collection {
    /// The result of one.
    type Value;
}

/// Results of ids of this type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a batch over `{K}` returns",
    label = "not a collection of results by `{K}`",
    note = "help: return `HashMap<{K}, V>`, `BTreeMap<{K}, V>` or `Vec<Option<V>>`, plain or in a `Result`"
)]
pub trait CollectionOf<K>: Collection + Sized {
    /// The results of these ids, in their order; `None` where there is none. Nothing at all where that cannot be told.
    fn split(self, ids: &[K]) -> Option<Vec<Option<Self::Value>>>;
    /// The collection of these results; ids may be there several times.
    fn gather(ids: &[K], values: Vec<Option<Self::Value>>) -> Self;
}

impl<K, V, H> Collection for HashMap<K, V, H> {
    type Value = V;
}

impl<K: Eq + Hash + Clone, V, H: BuildHasher + Default> CollectionOf<K> for HashMap<K, V, H> {
    fn split(mut self, ids: &[K]) -> Option<Vec<Option<V>>> {
        Some(ids.iter().map(|id| self.remove(id)).collect())
    }

    fn gather(ids: &[K], values: Vec<Option<V>>) -> Self {
        let found = ids.iter().zip(values).filter_map(|(id, value)| Some((id.clone(), value?)));
        found.collect()
    }
}

impl<K, V> Collection for BTreeMap<K, V> {
    type Value = V;
}

impl<K: Ord + Clone, V> CollectionOf<K> for BTreeMap<K, V> {
    fn split(mut self, ids: &[K]) -> Option<Vec<Option<V>>> {
        Some(ids.iter().map(|id| self.remove(id)).collect())
    }

    fn gather(ids: &[K], values: Vec<Option<V>>) -> Self {
        let found = ids.iter().zip(values).filter_map(|(id, value)| Some((id.clone(), value?)));
        found.collect()
    }
}

impl<V> Collection for Vec<Option<V>> {
    type Value = V;
}

impl<K, V> CollectionOf<K> for Vec<Option<V>> {
    fn split(self, ids: &[K]) -> Option<Self> {
        // Else nobody knows which is whose.
        (self.len() == ids.len()).then_some(self)
    }

    fn gather(_: &[K], values: Self) -> Self {
        values
    }
}

/// How the result of a function holds its collection.
pub trait BatchShape: Copy + Send + Sync {
    /// The result.
    type Output;
    /// The collection.
    type Collection: Collection;

    /// The collection in a result; the result as it is where it has none.
    fn view(self, output: Self::Output) -> Result<Self::Collection, Self::Output>;
    /// A result with a collection.
    fn wrap(self, collection: Self::Collection) -> Self::Output;
    /// A copy of the failure for callers who wait for one of the ids, where the error can be cloned.
    fn share_failure(self, output: &Self::Output) -> Option<Shared>;
}

/// What one id gives.
pub type ValueOf<S> = <<S as BatchShape>::Collection as Collection>::Value;

/// A bare collection.
pub struct PlainBatch<C>(PhantomData<fn() -> C>);

impl<C> PlainBatch<C> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<C> Copy for PlainBatch<C> {}

impl<C> Clone for PlainBatch<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> fmt::Debug for PlainBatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainBatch")
    }
}

impl<C: Collection> BatchShape for PlainBatch<C> {
    type Output = C;
    type Collection = C;

    fn view(self, output: C) -> Result<C, C> {
        Ok(output)
    }

    fn wrap(self, collection: C) -> C {
        collection
    }

    fn share_failure(self, _: &C) -> Option<Shared> {
        None
    }
}

/// A collection in a `Result`.
pub struct FallibleBatch<C, E> {
    sharing: Option<Sharing<E>>,
    collection: PhantomData<fn() -> C>,
}

impl<C, E> FallibleBatch<C, E> {
    pub(crate) const NEW: Self = Self { sharing: None, collection: PhantomData };
}

impl<C, E: Clone + Send + Sync + 'static> FallibleBatch<C, E> {
    pub(crate) const SHARED: Self = Self { sharing: Some(Sharing::NEW), collection: PhantomData };
}

impl<C, E> Copy for FallibleBatch<C, E> {}

impl<C, E> Clone for FallibleBatch<C, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, E> fmt::Debug for FallibleBatch<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FallibleBatch")
    }
}

impl<C: Collection, E> BatchShape for FallibleBatch<C, E> {
    type Output = Result<C, E>;
    type Collection = C;

    fn view(self, output: Result<C, E>) -> Result<C, Result<C, E>> {
        output.map_err(Err)
    }

    fn wrap(self, collection: C) -> Result<C, E> {
        Ok(collection)
    }

    fn share_failure(self, output: &Result<C, E>) -> Option<Shared> {
        Some((self.sharing?.copy)(output.as_ref().err()?))
    }
}
