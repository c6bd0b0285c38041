//! The four shapes of a result: which part of it is the value, and how to build it from one.

use std::{convert::Infallible, fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::flight::Shared;

/// What can be cached: serialisable both ways, cloneable, and owned.
///
/// Implemented for every such type, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "needs `Serialize`, `Deserialize`, `Clone`, `Send`, `Sync` and no borrows",
    note = "help: add `#[derive(Clone, serde::Serialize, serde::Deserialize)]` to the type and to those in it; share with `Arc`, not `Rc`"
)]
pub trait CacheValue: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> CacheValue for V {}

/// The value inside of a result.
#[derive(Debug)]
pub enum View<'a, V> {
    /// There is one.
    Value(&'a V),
    /// There is certainly none: `None`.
    Negative,
    /// The function failed.
    Failed,
}

/// How two values are compared, where their type can be.
pub(crate) type Same<V> = Option<fn(&V, &V) -> bool>;

/// How the result of a function holds its value.
pub trait Shape: Copy + Send + Sync {
    /// The result.
    type Output;
    /// What is cached of it.
    type Value;
    /// How the function fails.
    type Error;

    /// A result from a value.
    fn hit(self, value: Self::Value) -> Self::Output;
    /// A result without a value, where the type has one.
    fn negative(self) -> Option<Self::Output>;
    /// Looks into a result.
    fn view(self, output: &Self::Output) -> View<'_, Self::Value>;
    /// The error, where the function has failed.
    fn error(self, output: &Self::Output) -> Option<&Self::Error>;
    /// How its values are compared.
    fn same(self) -> Same<Self::Value>;
    /// A copy of the failure for the other callers of a flight, where the error can be cloned.
    fn share_failure(self, output: &Self::Output) -> Option<Shared>;
    /// The result from such a copy.
    fn failure(self, shared: &Shared) -> Option<Self::Output>;
}

macro_rules! shape_marker {
    ($($(#[$doc:meta])* $name:ident<$($parameter:ident),+>;)*) => {$(
        $(#[$doc])*
        pub struct $name<$($parameter),+>(PhantomData<fn() -> ($($parameter,)+)>);

        impl<$($parameter),+> Copy for $name<$($parameter),+> {}

        impl<$($parameter),+> Clone for $name<$($parameter),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),+> fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

pub(super) use shape_marker;

macro_rules! infallible {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<T> {
            same: Same<T>,
            value: PhantomData<fn() -> T>,
        }

        impl<T> $name<T> {
            pub(crate) const NEW: Self = Self { same: None, value: PhantomData };
        }

        impl<T: PartialEq> $name<T> {
            pub(crate) const COMPARED: Self = Self { same: Some(T::eq), value: PhantomData };
        }

        impl<T> Copy for $name<T> {}

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

infallible! {
    /// `T`
    Plain;
    /// `Option<T>`
    Optional;
}

/// How an error that can be cloned reaches every caller of a flight.
///
/// Functions, not a bound of [`Shape`]: a bound with `'static` in it would have to hold for every lifetime where a future
/// with a `Result<_, &'static str>` in it is spawned.
struct Sharing<E> {
    copy: fn(&E) -> Shared,
    take: fn(&Shared) -> Option<E>,
}

impl<E> Copy for Sharing<E> {}

impl<E> Clone for Sharing<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Clone + Send + Sync + 'static> Sharing<E> {
    const NEW: Self = Self {
        copy: |error| std::sync::Arc::new(error.clone()),
        take: |shared| shared.downcast_ref::<E>().cloned(),
    };
}

macro_rules! fallible {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<T, E> {
            sharing: Option<Sharing<E>>,
            same: Same<T>,
            value: PhantomData<fn() -> T>,
        }

        impl<T, E> $name<T, E> {
            pub(crate) const NEW: Self = Self { sharing: None, same: None, value: PhantomData };
        }

        impl<T: PartialEq, E> $name<T, E> {
            pub(crate) const COMPARED: Self = Self { same: Some(T::eq), ..Self::NEW };
        }

        impl<T, E: Clone + Send + Sync + 'static> $name<T, E> {
            pub(crate) const SHARED: Self = Self { sharing: Some(Sharing::NEW), ..Self::NEW };
        }

        impl<T: PartialEq, E: Clone + Send + Sync + 'static> $name<T, E> {
            pub(crate) const SHARED_COMPARED: Self = Self { same: Some(T::eq), ..Self::SHARED };
        }

        impl<T, E> Copy for $name<T, E> {}

        impl<T, E> Clone for $name<T, E> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T, E> fmt::Debug for $name<T, E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

fallible! {
    /// `Result<T, E>`
    Fallible;
    /// `Result<Option<T>, E>`
    FallibleOptional;
}

impl<T> Shape for Plain<T> {
    type Output = T;
    type Value = T;
    type Error = Infallible;

    fn hit(self, value: T) -> T {
        value
    }

    fn negative(self) -> Option<T> {
        None
    }

    fn view(self, output: &T) -> View<'_, T> {
        View::Value(output)
    }

    fn error(self, _: &T) -> Option<&Infallible> {
        None
    }

    fn same(self) -> Same<T> {
        self.same
    }

    fn share_failure(self, _: &T) -> Option<Shared> {
        None
    }

    fn failure(self, _: &Shared) -> Option<T> {
        None
    }
}

impl<T> Shape for Optional<T> {
    type Output = Option<T>;
    type Value = T;
    type Error = Infallible;

    fn hit(self, value: T) -> Option<T> {
        Some(value)
    }

    fn negative(self) -> Option<Option<T>> {
        Some(None)
    }

    fn view(self, output: &Option<T>) -> View<'_, T> {
        output.as_ref().map_or(View::Negative, View::Value)
    }

    fn error(self, _: &Option<T>) -> Option<&Infallible> {
        None
    }

    fn same(self) -> Same<T> {
        self.same
    }

    fn share_failure(self, _: &Option<T>) -> Option<Shared> {
        None
    }

    fn failure(self, _: &Shared) -> Option<Option<T>> {
        None
    }
}

impl<T, E> Shape for Fallible<T, E> {
    type Output = Result<T, E>;
    type Value = T;
    type Error = E;

    fn hit(self, value: T) -> Self::Output {
        Ok(value)
    }

    fn negative(self) -> Option<Self::Output> {
        None
    }

    fn view(self, output: &Self::Output) -> View<'_, T> {
        output.as_ref().map_or(View::Failed, View::Value)
    }

    fn error(self, output: &Self::Output) -> Option<&E> {
        output.as_ref().err()
    }

    fn same(self) -> Same<T> {
        self.same
    }

    fn share_failure(self, output: &Self::Output) -> Option<Shared> {
        Some((self.sharing?.copy)(output.as_ref().err()?))
    }

    fn failure(self, shared: &Shared) -> Option<Self::Output> {
        (self.sharing?.take)(shared).map(Err)
    }
}

impl<T, E> Shape for FallibleOptional<T, E> {
    type Output = Result<Option<T>, E>;
    type Value = T;
    type Error = E;

    fn hit(self, value: T) -> Self::Output {
        Ok(Some(value))
    }

    fn negative(self) -> Option<Self::Output> {
        Some(Ok(None))
    }

    fn view(self, output: &Self::Output) -> View<'_, T> {
        match output {
            Ok(Some(value)) => View::Value(value),
            Ok(None) => View::Negative,
            Err(_) => View::Failed,
        }
    }

    fn error(self, output: &Self::Output) -> Option<&E> {
        output.as_ref().err()
    }

    fn same(self) -> Same<T> {
        self.same
    }

    fn share_failure(self, output: &Self::Output) -> Option<Shared> {
        Some((self.sharing?.copy)(output.as_ref().err()?))
    }

    fn failure(self, shared: &Shared) -> Option<Self::Output> {
        (self.sharing?.take)(shared).map(Err)
    }
}
