//! What a batch returns: which part of it belongs to which id, and how to put it together from parts.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use super::shape::shape_marker;

/// What a batch can return: the values of some of its ids.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the result of a batch of `{K}`",
    label = "expected a map from `{K}`, or a list of `Option`s",
    note = "help: return `HashMap<{K}, V>`, `BTreeMap<{K}, V>` or `Vec<Option<V>>`, plain or in a `Result`; ids need `Clone`, in maps also `Eq` and `Hash`, or `Ord`"
)]
pub trait BatchResult<K> {
    /// How it holds its values. A type of its own, so that a future with a batch in it knows one `K` only.
    type Shape: BatchShape<Output = Self, Id = K>;
}

/// The parts of a result.
#[derive(Debug)]
pub enum Opened<V, O> {
    /// The value of each id; `None` where there is none.
    Values(Vec<Option<V>>),
    /// The body has failed.
    Failed(O),
    /// Nobody knows which value belongs to which id.
    Unfit,
}

/// How a batch holds its values.
pub trait BatchShape: Copy + Send + Sync {
    /// The result.
    type Output;
    /// What names one of them.
    type Id;
    /// One of them.
    type Value;
    /// The shape.
    const NEW: Self;

    /// A copy of an id. Not a bound of [`super::Batch`], so that an id that has none is one mistake.
    fn copy(self, id: &Self::Id) -> Self::Id;
    /// The values of these ids, each of which is there once.
    fn open(self, output: Self::Output, ids: &[Self::Id]) -> Opened<Self::Value, Self::Output>;
    /// The result with these values; ids may be there several times.
    fn close(self, ids: Vec<Self::Id>, values: Vec<Option<Self::Value>>) -> Self::Output;
}

shape_marker! {
    /// `HashMap<K, V, H>`
    HashMapShape<K, V, H>;
    /// `BTreeMap<K, V>`
    BTreeMapShape<K, V>;
    /// `Vec<Option<V>>`
    ListShape<K, V>;
    /// One of them in a `Result<_, E>`
    FallibleShape<S, E>;
    /// Something else: a mistake that is reported elsewhere.
    UnfitShape<R, K>;
}

macro_rules! maps {
    ($($map:ident $shape:ident<K: $($bound:ident)+, V $(, $hasher:ident)?>;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<K: $($bound +)+, V $(, $hasher: BuildHasher + Default)?> BatchResult<K> for $map<K, V $(, $hasher)?> {
            type Shape = $shape<K, V $(, $hasher)?>;
        }

        impl<K: $($bound +)+, V $(, $hasher: BuildHasher + Default)?> BatchShape for $shape<K, V $(, $hasher)?> {
            type Output = $map<K, V $(, $hasher)?>;
            type Id = K;
            type Value = V;

            const NEW: Self = Self(PhantomData);

            fn copy(self, id: &K) -> K {
                id.clone()
            }

            fn open(self, mut output: Self::Output, ids: &[K]) -> Opened<V, Self::Output> {
                Opened::Values(ids.iter().map(|id| output.remove(id)).collect())
            }

            fn close(self, ids: Vec<K>, values: Vec<Option<V>>) -> Self::Output {
                ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect()
            }
        }
    )*};
}

maps! {
    HashMap HashMapShape<K: Clone Eq Hash, V, H>;
    BTreeMap BTreeMapShape<K: Clone Ord, V>;
}

#[diagnostic::do_not_recommend]
impl<K: Clone, V> BatchResult<K> for Vec<Option<V>> {
    type Shape = ListShape<K, V>;
}

impl<K: Clone, V> BatchShape for ListShape<K, V> {
    type Output = Vec<Option<V>>;
    type Id = K;
    type Value = V;

    const NEW: Self = Self(PhantomData);

    fn copy(self, id: &K) -> K {
        id.clone()
    }

    fn open(self, output: Self::Output, ids: &[K]) -> Opened<V, Self::Output> {
        if output.len() == ids.len() { Opened::Values(output) } else { Opened::Unfit }
    }

    fn close(self, _: Vec<K>, values: Vec<Option<V>>) -> Self::Output {
        values
    }
}

#[diagnostic::do_not_recommend]
impl<K, R: BatchResult<K>, E> BatchResult<K> for Result<R, E> {
    type Shape = FallibleShape<R::Shape, E>;
}

impl<S: BatchShape, E> BatchShape for FallibleShape<S, E> {
    type Output = Result<S::Output, E>;
    type Id = S::Id;
    type Value = S::Value;

    const NEW: Self = Self(PhantomData);

    fn copy(self, id: &S::Id) -> S::Id {
        S::NEW.copy(id)
    }

    fn open(self, output: Self::Output, ids: &[S::Id]) -> Opened<S::Value, Self::Output> {
        match output.map(|output| S::NEW.open(output, ids)) {
            Ok(Opened::Values(values)) => Opened::Values(values),
            Ok(Opened::Failed(output)) => Opened::Failed(Ok(output)),
            Ok(Opened::Unfit) => Opened::Unfit,
            Err(failure) => Opened::Failed(Err(failure)),
        }
    }

    fn close(self, ids: Vec<S::Id>, values: Vec<Option<S::Value>>) -> Self::Output {
        Ok(S::NEW.close(ids, values))
    }
}

impl<R, K> BatchShape for UnfitShape<R, K> {
    type Output = R;
    type Id = K;
    type Value = ();

    const NEW: Self = Self(PhantomData);

    fn copy(self, _: &K) -> K {
        unreachable!("it does not compile")
    }

    fn open(self, output: R, _: &[K]) -> Opened<(), R> {
        Opened::Failed(output)
    }

    fn close(self, _: Vec<K>, _: Vec<Option<()>>) -> R {
        unreachable!("it does not compile")
    }
}
