//! Collects every mistake of one attribute, so that one build shows them all.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes found so far. Dropped with mistakes that were not read, it panics in debug builds.
#[derive(Default)]
pub(crate) struct Diagnostics {
    errors: Vec<syn::Error>,
}

impl Diagnostics {
    /// What is wrong, and what to type instead.
    pub(crate) fn error(&mut self, span: Span, wrong: impl std::fmt::Display, help: impl std::fmt::Display) {
        self.errors.push(syn::Error::new(span, format!("{wrong}\nhelp: {help}")));
    }

    /// The same, with carets under all of some tokens: a span of its own knows only the first.
    pub(crate) fn error_on(
        &mut self,
        tokens: impl ToTokens,
        wrong: impl std::fmt::Display,
        help: impl std::fmt::Display,
    ) {
        self.errors.push(syn::Error::new_spanned(tokens, format!("{wrong}\nhelp: {help}")));
    }

    /// A mistake that `syn` found.
    pub(crate) fn syntax(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        std::mem::take(&mut self.errors).iter().map(syn::Error::to_compile_error).collect()
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        debug_assert!(self.errors.is_empty() || std::thread::panicking(), "mistakes that are not shown");
    }
}
