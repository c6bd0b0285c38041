//! Tokens to spanned raw values: knows syntax, and no rule.

mod cached_crate;
pub(crate) mod duration;
pub(crate) mod foreign;
pub(crate) mod function;
mod list;
pub(crate) mod options;
pub(crate) mod surroundings;
pub(crate) mod target;
pub(crate) mod template;
mod values;

use proc_macro2::Span;

/// A value and where it was written.
#[derive(Clone)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}
