//! On a mistake: the item as written, and a companion that keeps its callers from failing, too.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::{FnArg, Generics, Ident, ReturnType, Signature};

use super::{arguments::parameter, generics::kept_generics, paths::Paths};
use crate::{
    model::{
        function::{Argument, Companion, arguments, mentions},
        placeholder::meant,
    },
    parse::{Spanned, function::Function, template::Template},
};

pub(super) fn function(
    function: &Function,
    paths: &Paths<'_>,
    companion: Option<Spanned<Option<Ident>>>,
    key: Option<&Template>,
    tags: &[Template],
    skip: &[Ident],
    marked: &[usize],
) -> TokenStream {
    let Function { attributes, visibility, signature, body, .. } = function;
    let body = body.as_ref().map_or_else(|| quote!(;), quote::ToTokens::to_token_stream);
    let item = quote!(#(#attributes)* #visibility #signature #body);
    if signature.asyncness.is_none() || function.body.is_none() {
        return item;
    }
    let cfgs: Vec<_> = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    let arguments = arguments(signature, None);
    let in_key = in_key(key, tags, skip, marked, &arguments);
    let stubs = |entry: &Ident, uncached: &Ident| {
        let entry =
            entry_stub(signature, paths, key, tags, in_key.iter().map(|index| &arguments[*index]), entry);
        let uncached = uncached_stub(signature, uncached).map(|uncached| {
            quote! {
                #(#cfgs)*
                #[doc(hidden)]
                #[allow(dead_code, unreachable_pub, missing_docs, clippy::all)]
                #visibility #uncached
            }
        });
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(dead_code, unreachable_pub, missing_docs, unused_variables)]
            #visibility #entry

            #uncached
        }
    };
    match Companion::new(function, companion) {
        Companion::None => item,
        Companion::Type(_) if function.surroundings.is_impl() => item,
        Companion::Methods { entry, uncached, .. } => {
            let stubs = stubs(&entry, &uncached);
            quote!(#item #stubs)
        }
        Companion::Type(name) => {
            let stubs = stubs(&format_ident!("entry"), &format_ident!("uncached"));
            quote! {
                #item

                #(#cfgs)*
                #[doc(hidden)]
                #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
                #visibility struct #name {}

                #(#cfgs)*
                impl #name {
                    #stubs
                }
            }
        }
    }
}

/// `entry` with the arguments that the key means, as far as it could be read.
fn entry_stub<'a>(
    signature: &Signature,
    paths: &Paths<'_>,
    key: Option<&Template>,
    tags: &[Template],
    arguments: impl Iterator<Item = &'a Argument>,
    name: &Ident,
) -> TokenStream {
    let receiver = signature.receiver().map(|_| quote!(&self,));
    let parameters: Vec<_> = arguments.map(parameter).collect();
    let output = match &signature.output {
        ReturnType::Type(_, output) if !mentions_borrow(&output.to_token_stream()) => quote!(#output),
        _ => quote!(()),
    };
    let is_placeholder = |ident: &Ident| {
        let mut templates = key.into_iter().chain(tags);
        templates.any(|template| template.placeholders().any(|placeholder| *ident == placeholder.root))
    };
    let generics = kept_generics(&signature.generics, is_placeholder, &quote!(#(#parameters),* #output));
    let Generics { where_clause, .. } = &generics;
    let private = paths.private();
    quote! {
        fn #name #generics (#receiver #(#parameters),*) -> #private::Entry<#output> #where_clause {
            ::core::unreachable!()
        }
    }
}

fn in_key(
    key: Option<&Template>,
    tags: &[Template],
    skip: &[Ident],
    marked: &[usize],
    arguments: &[Argument],
) -> BTreeSet<usize> {
    let Some(key) = key else {
        let skipped = |index: &usize| {
            marked.contains(index) || arguments[*index].names.iter().any(|name| skip.contains(name))
        };
        return (0..arguments.len()).filter(|index| !skipped(index)).collect();
    };
    let named =
        |name: &str| arguments.iter().position(|argument| argument.names.iter().any(|own| own == name));
    tags.iter()
        .chain([key])
        .flat_map(Template::placeholders)
        .filter_map(|placeholder| named(&placeholder.root).or_else(|| meant(&placeholder.root, arguments)))
        .collect()
}

/// `None` where no body could have its type.
fn uncached_stub(signature: &Signature, name: &Ident) -> Option<TokenStream> {
    if mentions(signature.output.to_token_stream(), &format_ident!("impl")) {
        return None;
    }
    let mut signature = Signature { ident: name.clone(), ..signature.clone() };
    for input in &mut signature.inputs {
        if let FnArg::Typed(typed) = input {
            *typed.pat = syn::parse_quote!(_);
        }
    }
    Some(quote!(#signature { ::core::unreachable!() }))
}

fn mentions_borrow(tokens: &TokenStream) -> bool {
    tokens.to_string().contains(['\'', '&']) || mentions(tokens.clone(), &format_ident!("impl"))
}
