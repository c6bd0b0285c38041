//! The attribute on real functions, on both stores.
