//! The four shapes of a result: which part of it is the value, and how to build it from one.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

/// What can be cached: serialisable both ways, cloneable, and owned.
///
/// Implemented for every such type; nobody implements it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "needs `Serialize`, `DeserializeOwned`, `Clone`, `Send`, `Sync` and no borrows",
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

/// How the result of a function holds its value.
pub trait Shape: Copy + Send + Sync {
    /// The result.
    type Output;
    /// What is cached of it.
    type Value;

    /// A result from a value.
    fn hit(self, value: Self::Value) -> Self::Output;
    /// A result without a value, where the type has one.
    fn negative(self) -> Option<Self::Output>;
    /// Looks into a result.
    fn view(self, output: &Self::Output) -> View<'_, Self::Value>;
    /// A copy of the failure for the other callers of a flight, where the error can be cloned.
    fn share_failure(self, output: &Self::Output) -> Option<crate::flight::Shared>;
    /// The result from such a copy.
    fn failure(self, shared: &crate::flight::Shared) -> Option<Self::Output>;
}

macro_rules! marker {
    ($($(#[$doc:meta])* $name:ident<$($parameter:ident),+>;)*) => {$(
        $(#[$doc])*
        pub struct $name<$($parameter),+>(PhantomData<fn() -> ($($parameter,)+)>);

        impl<$($parameter),+> $name<$($parameter),+> {
            pub(crate) const NEW: Self = Self(PhantomData);
        }

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

marker! {
    /// `T`
    Plain<T>;
    /// `Option<T>`
    Optional<T>;
    /// `Result<T, E>`
    Fallible<T, E>;
    /// `Result<T, E>` whose error every caller of a flight can have.
    FallibleShared<T, E>;
    /// `Result<Option<T>, E>`
    FallibleOptional<T, E>;
    /// `Result<Option<T>, E>` whose error every caller of a flight can have.
    FallibleOptionalShared<T, E>;
}

impl<T> Shape for Plain<T> {
    type Output = T;
    type Value = T;

    fn hit(self, value: T) -> T {
        value
    }

    fn negative(self) -> Option<T> {
        None
    }

    fn view(self, output: &T) -> View<'_, T> {
        View::Value(output)
    }

    fn share_failure(self, _: &T) -> Option<crate::flight::Shared> {
        None
    }

    fn failure(self, _: &crate::flight::Shared) -> Option<T> {
        None
    }
}

impl<T> Shape for Optional<T> {
    type Output = Option<T>;
    type Value = T;

    fn hit(self, value: T) -> Option<T> {
        Some(value)
    }

    fn negative(self) -> Option<Option<T>> {
        Some(None)
    }

    fn view(self, output: &Option<T>) -> View<'_, T> {
        output.as_ref().map_or(View::Negative, View::Value)
    }

    fn share_failure(self, _: &Option<T>) -> Option<crate::flight::Shared> {
        None
    }

    fn failure(self, _: &crate::flight::Shared) -> Option<Option<T>> {
        None
    }
}

/// What only the shared forms do with an error.
macro_rules! errors {
    (own) => {
        fn share_failure(self, _: &Self::Output) -> Option<crate::flight::Shared> {
            None
        }

        fn failure(self, _: &crate::flight::Shared) -> Option<Self::Output> {
            None
        }
    };
    (shared) => {
        fn share_failure(self, output: &Self::Output) -> Option<crate::flight::Shared> {
            let error = output.as_ref().err()?;
            Some(std::sync::Arc::new(error.clone()))
        }

        fn failure(self, shared: &crate::flight::Shared) -> Option<Self::Output> {
            shared.downcast_ref::<E>().cloned().map(Err)
        }
    };
}

macro_rules! fallible {
    ($name:ident, $errors:ident, E $(: $bound:tt $(+ $more:tt)*)?) => {
        impl<T, E $(: $bound $(+ $more)*)?> Shape for $name<T, E> {
            type Output = Result<T, E>;
            type Value = T;

            fn hit(self, value: T) -> Self::Output {
                Ok(value)
            }

            fn negative(self) -> Option<Self::Output> {
                None
            }

            fn view(self, output: &Self::Output) -> View<'_, T> {
                output.as_ref().map_or(View::Failed, View::Value)
            }

            errors!($errors);
        }
    };
}
fallible!(Fallible, own, E);
fallible!(FallibleShared, shared, E: Clone + Send + Sync + 'static);

macro_rules! fallible_optional {
    ($name:ident, $errors:ident, E $(: $bound:tt $(+ $more:tt)*)?) => {
        impl<T, E $(: $bound $(+ $more)*)?> Shape for $name<T, E> {
            type Output = Result<Option<T>, E>;
            type Value = T;

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

            errors!($errors);
        }
    };
}
fallible_optional!(FallibleOptional, own, E);
fallible_optional!(FallibleOptionalShared, shared, E: Clone + Send + Sync + 'static);
