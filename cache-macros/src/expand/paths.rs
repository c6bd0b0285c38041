//! Every absolute path that an expansion may name.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Path;

/// Where the runtime is.
pub(super) struct Paths<'a> {
    runtime: Option<&'a Path>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(runtime: Option<&'a Path>) -> Self {
        Self { runtime }
    }

    /// The surface for expansions; its name changes with every release, so that two releases cannot be mixed.
    pub(super) fn private(&self) -> TokenStream {
        self.private_at(Span::call_site())
    }

    /// The same, so that what the compiler says of it is shown at `span`.
    pub(super) fn private_at(&self, span: Span) -> TokenStream {
        let runtime = match self.runtime {
            Some(path) => at(quote!(#path), span),
            None => quote_spanned!(span=> ::cache_runtime),
        };
        let name = concat!(
            "__private_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        );
        let name = Ident::new(name, span);
        quote_spanned!(span=> #runtime::#name)
    }
}

/// Tokens shown at `span`, which go on to mean what they meant.
pub(super) fn at(tokens: TokenStream, span: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            let mut moved = Group::new(group.delimiter(), at(group.stream(), span));
            moved.set_span(group.span().located_at(span));
            TokenTree::Group(moved)
        }
        mut token => {
            token.set_span(token.span().located_at(span));
            token
        }
    });
    moved.collect()
}

/// A local of the expansion, which the user's code can neither see nor clash with, shown at `span`.
pub(super) fn local_at(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// A local of the expansion, which the user's code can neither see nor clash with.
pub(super) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A name as if the user had written it at `span`: what is wrong with it is shown once, and there.
pub(super) fn shown(name: &str, span: Span) -> Ident {
    Ident::new(name, span)
}
