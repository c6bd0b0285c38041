//! Every absolute path that an expansion may name.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::Path;

/// Where the runtime is.
pub(super) struct Paths {
    runtime: TokenStream,
}

impl Paths {
    pub(super) fn new(runtime: Option<&Path>) -> Self {
        let runtime = match runtime {
            Some(path) => quote!(#path),
            None => quote!(::cache_runtime),
        };
        Self { runtime }
    }

    /// The surface for expansions; its name changes with every release, so that two releases cannot be mixed.
    pub(super) fn private(&self) -> TokenStream {
        let runtime = &self.runtime;
        let name = concat!(
            "__private_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        );
        let name = Ident::new(name, Span::call_site());
        quote!(#runtime::#name)
    }
}

/// A local of the expansion, which the user's code can neither see nor clash with.
pub(super) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
