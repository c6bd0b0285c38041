//! What stands beside the function: `get_user::entry(..)`, `get_user::uncached(..)`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::Ident;

use super::{
    arguments::{bindings, needed, parameters},
    body::uncached,
    generics::{generics_of, key_generics, turbofish},
    item::{cfgs, visibility},
    key::{self, pieces},
    paths::{Paths, local},
    rules::{self, entry_rules, owned},
    site::site,
};
use crate::model::{Plan, function::Companion};

pub(super) fn items(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let cfgs = cfgs(plan);
    let visibility = &plan.function.visibility;
    match &plan.companion {
        Companion::None => TokenStream::new(),
        Companion::Type(name) => {
            let uncached = uncached(plan, &Ident::new("uncached", name.span()));
            let entry = entry(
                plan,
                paths,
                &quote!(Self::__site()),
                &quote!(Self::__key),
                &quote!(Self::__tags),
                &Ident::new("entry", name.span()),
            );
            let key = key(plan, paths, &Ident::new("__key", name.span()));
            let tags = tags(plan, paths, &Ident::new("__tags", name.span()));
            let site = site(plan, paths);
            let private = paths.private();
            // A module or another type of this name is shown beside the function's.
            let here = Span::call_site().located_at(name.span());
            let item = quote_spanned!(here=> struct #name {});
            quote! {
                #(#cfgs)*
                #[doc(hidden)]
                #[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
                #visibility #item

                #(#cfgs)*
                #[doc(hidden)]
                #[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
                impl #name {
                    #uncached
                    #entry
                    #key
                    #tags

                    fn __site() -> &'static #private::Site {
                        #site
                    }
                }
            }
        }
        Companion::Methods {
            entry: entry_name,
            uncached: uncached_name,
            key: key_name,
            tags: tags_name,
            site: site_name,
        } => {
            let uncached = uncached(plan, uncached_name);
            let entry = entry(
                plan,
                paths,
                &quote!(Self::#site_name()),
                &quote!(self.#key_name),
                &quote!(self.#tags_name),
                entry_name,
            );
            let key = key(plan, paths, key_name);
            let tags = tags(plan, paths, tags_name);
            let site = site(plan, paths);
            let private = paths.private();
            quote! {
                #uncached
                #entry
                #key
                #tags

                #(#cfgs)*
                #[doc(hidden)]
                #[allow(dead_code)]
                fn #site_name() -> &'static #private::Site {
                    #site
                }
            }
        }
    }
}

fn self_parameter(plan: &Plan) -> Option<TokenStream> {
    matches!(plan.companion, Companion::Methods { .. }).then(|| quote!(&self,))
}

fn entry(
    plan: &Plan,
    paths: &Paths<'_>,
    site: &TokenStream,
    key: &TokenStream,
    tags: &TokenStream,
    name: &Ident,
) -> Option<TokenStream> {
    plan.key.as_ref().filter(|_| plan.batch.is_none())?;
    let private = paths.private();
    let indices = needed(plan);
    let parameters = parameters(plan, &indices);
    let output = &plan.output;
    let generics = generics_of(plan, &quote!(#(#parameters),* #output));
    let where_clause = &generics.where_clause;
    let key_turbofish = turbofish(&key_generics(plan));
    let receiver = self_parameter(plan);
    let arguments: Vec<_> = indices.iter().map(|index| &plan.arguments[*index].ident).collect();
    let (rules, cache_name) = (entry_rules(plan, paths), local("__cache"));
    let writer = local("__key");
    let key = quote!({
        let mut #writer = #private::key(&#cache_name);
        #private::namespace(&mut #writer, &#cache_name);
        #key #key_turbofish (&mut #writer, #(#arguments),*);
        #writer
    });
    let tags = match plan.tags.is_empty() {
        true => quote!(::std::vec::Vec::new()),
        false => quote!(#tags #key_turbofish (&#cache_name, #(#arguments),*)),
    };
    let bindings = bindings(plan, indices.iter().copied());
    let cfgs = cfgs(plan);
    let visibility = visibility(plan);
    let cache = owned(plan, rules::cache(plan, paths), plan.cache.iter());
    Some(quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        #visibility fn #name #generics (#receiver #(#parameters),*) -> #private::Entry<#output> #where_clause {
            #(#bindings)*
            let #cache_name = #cache;
            #private::entry(&#cache_name, #site, #key, #tags, #rules)
        }
    })
}

/// Writes the key: the one place where its parts are checked.
fn key(plan: &Plan, paths: &Paths<'_>, name: &Ident) -> Option<TokenStream> {
    let key = plan.key.as_ref().filter(|_| plan.batch.is_none())?;
    let private = paths.private();
    let writer = local("__key");
    let pieces = pieces(plan, paths, key, &writer, None, plan.version);
    let parameter = quote!(mut #writer: &mut #private::KeyWriter);
    Some(writer_of(plan, name, &parameter, &quote!(()), &pieces))
}

/// Writes the tags, likewise.
fn tags(plan: &Plan, paths: &Paths<'_>, name: &Ident) -> Option<TokenStream> {
    if plan.tags.is_empty() || plan.batch.is_some() {
        return None;
    }
    let private = paths.private();
    let output = quote!(::std::vec::Vec<#private::KeyWriter>);
    let value = key::tags(plan, paths, &local("__cache").to_token_stream());
    let cache = local("__cache");
    let parameter = quote!(#cache: &#private::Cache);
    Some(writer_of(plan, name, &parameter, &output, &value))
}

/// A function of the arguments that the key and the tags use.
fn writer_of(
    plan: &Plan,
    name: &Ident,
    first: &TokenStream,
    output: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let indices = needed(plan);
    let parameters = parameters(plan, &indices);
    let generics = key_generics(plan);
    let where_clause = &generics.where_clause;
    let bindings = bindings(plan, indices.iter().copied());
    let receiver = self_parameter(plan);
    let cfgs = cfgs(plan);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[inline]
        #[allow(dead_code, unused_variables, unused_qualifications, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        fn #name #generics (#receiver #first, #(#parameters),*) -> #output #where_clause {
            #(#bindings)*
            #value
        }
    }
}
