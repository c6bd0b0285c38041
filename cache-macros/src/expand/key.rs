//! A key plan to the statements that write the key.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, Index, Type, spanned::Spanned as _};

use super::{
    arguments::{bindings, borrowed, needed},
    generics::{key_generics, turbofish},
    paths::{Paths, at, local},
};
use crate::{
    model::{
        Plan,
        batch::Batch,
        function::{Argument, Companion},
        key::{KeyPlan, Piece, Root},
    },
    parse::template::Step,
};

/// Statements that write the pieces of `key` into the writer `writer`. `made`: what `<return>` stands for.
///
/// With `version`, the key begins with it.
pub(super) fn pieces(
    plan: &Plan,
    paths: &Paths<'_>,
    key: &KeyPlan,
    writer: &Ident,
    made: Option<&Ident>,
    version: u32,
) -> TokenStream {
    let private = paths.private();
    let mut first = if version == 0 { String::new() } else { format!("v{version}:") };
    let mut statements = Vec::new();
    for piece in &key.pieces {
        match piece {
            Piece::Literal(literal) => {
                let literal = std::mem::take(&mut first) + literal;
                statements.push(quote!(#private::literal(&mut #writer, #literal);));
            }
            Piece::Part { root, path, stop, span } => {
                if !first.is_empty() {
                    let literal = std::mem::take(&mut first);
                    statements.push(quote!(#private::literal(&mut #writer, #literal);));
                }
                let part = part(plan, paths, root, path, *span, writer, made);
                statements.push(quote! {
                    #private::open(&mut #writer, #stop);
                    #part
                    #private::close(&mut #writer);
                });
            }
        }
    }
    quote!(#(#statements)*)
}

/// A field may have the name of a keyword.
fn ident(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(_) => Ident::new(name, span),
        Err(_) => Ident::new_raw(name, span),
    }
}

fn part(
    plan: &Plan,
    paths: &Paths<'_>,
    root: &Root,
    path: &[Step],
    span: Span,
    writer: &Ident,
    made: Option<&Ident>,
) -> TokenStream {
    let value = match root {
        Root::Argument(index) => {
            let Argument { ident, ty, .. } = &plan.arguments[*index];
            if path.is_empty() {
                return whole(paths, ident, ty, writer);
            }
            ident.to_token_stream()
        }
        Root::Element => {
            let Some(Batch { element, element_type, .. }) = &plan.batch else { return TokenStream::new() };
            if path.is_empty() {
                return whole(paths, element, element_type, writer);
            }
            element.to_token_stream()
        }
        Root::Bound(_, name) => quote!(#name),
        Root::SelfValue => quote!(self),
        Root::Type(parameter) => {
            let private = paths.private();
            return quote!(#private::type_name::<#parameter>(&mut #writer););
        }
        Root::Const(parameter) => quote!({ #parameter }),
        Root::Return => {
            let made = made.cloned().unwrap_or_else(|| local("__made"));
            quote!(#made)
        }
    };
    let value = at(value, span);
    // Of the expansion, else the compiler proposes to replace the whole string by a field.
    let span = Span::call_site().located_at(span);
    let steps = path.iter().map(|step| match step {
        Step::Field(name) => {
            let name = ident(name, span);
            quote_spanned!(span=> .#name)
        }
        Step::Index(index) => {
            let index = Index { index: *index, span };
            quote_spanned!(span=> .#index)
        }
        Step::Method(name) => {
            let name = ident(name, span);
            quote_spanned!(span=> .#name())
        }
    });
    let (private, writer) = (paths.private_at(span), at(writer.to_token_stream(), span));
    quote_spanned!(span=> #private::KeyPart::write_part(&#value #(#steps)*, &mut #writer);)
}

/// The whole of an argument.
fn whole(paths: &Paths<'_>, ident: &Ident, ty: &Type, writer: &Ident) -> TokenStream {
    let private = paths.private_at(ty.span());
    let ty = borrowed(ty);
    let ident = at(ident.to_token_stream(), ty.span());
    match &ty {
        Type::ImplTrait(_) => {
            quote_spanned!(ty.span()=> #private::KeyPart::write_part(&#ident, &mut #writer);)
        }
        _ => quote_spanned!(ty.span()=> <#ty as #private::KeyPart>::write_part(&#ident, &mut #writer);),
    }
}

/// Writes the function's own key into `__key`.
pub(super) fn own_key(plan: &Plan, paths: &Paths<'_>, key: &KeyPlan) -> TokenStream {
    let writer = local("__key");
    let arguments = needed(plan);
    let arguments = arguments.iter().map(|index| &plan.arguments[*index].ident);
    let turbofish = turbofish(&key_generics(plan));
    match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__key #turbofish (&mut #writer, #(&#arguments),*);),
        Companion::Methods { key, .. } => quote!(self.#key #turbofish (&mut #writer, #(&#arguments),*);),
        Companion::None => pieces(plan, paths, key, &writer, None, plan.version),
    }
}

/// The tags of the function's own entry, where it has some.
pub(super) fn own_tags(plan: &Plan, paths: &Paths<'_>) -> Option<TokenStream> {
    if plan.tags.is_empty() {
        return None;
    }
    let cache = local("__cache");
    let needed = needed(plan);
    let arguments = needed.iter().map(|index| &plan.arguments[*index].ident);
    let turbofish = turbofish(&key_generics(plan));
    Some(match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__tags #turbofish (&#cache, #(&#arguments),*)),
        Companion::Methods { tags, .. } => quote!(self.#tags #turbofish (&#cache, #(&#arguments),*)),
        Companion::None => {
            let patterns =
                bindings(plan, plan.tags.iter().flat_map(KeyPlan::arguments).collect::<BTreeSet<_>>());
            let tags = tags(plan, paths, &quote!(&#cache));
            quote!({ #(#patterns)* #tags })
        }
    })
}

/// A list of writers, each with a tag. `cache`: a reference.
pub(super) fn tags(plan: &Plan, paths: &Paths<'_>, cache: &TokenStream) -> TokenStream {
    let (writer, private) = (local("__tag"), paths.private());
    let tags = plan.tags.iter().map(|tag| {
        let pieces = pieces(plan, paths, tag, &writer, None, 0);
        quote!({
            let mut #writer = #private::tag_key(#cache);
            #pieces
            #writer
        })
    });
    list(tags)
}

/// A `Vec`, without the macro that the user may have shadowed.
pub(super) fn list(elements: impl Iterator<Item = TokenStream>) -> TokenStream {
    let mut elements = elements.peekable();
    if elements.peek().is_none() {
        return quote!(::std::vec::Vec::new());
    }
    quote!(<[_]>::into_vec(::std::boxed::Box::new([#(#elements),*])))
}
