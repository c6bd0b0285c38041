//! The function itself: a key, a descriptor and one call into the runtime.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{
    arguments::{bindings, wrapper_signature},
    batch,
    item::{allowed, documentation},
    paths::{Paths, local, local_at},
    read,
    rules::{cache, fits, seeing_patterns, shape},
    site::site,
    write,
};
use crate::model::{
    Plan,
    function::{Companion, Form},
    mode::Mode,
};

pub(super) fn function(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let visibility = &plan.function.visibility;
    let attributes = plan.function.attributes.iter().map(allowed);
    let documentation = documentation(plan);
    let signature = wrapper_signature(plan);
    let call = call(plan, paths);
    let block = match plan.form {
        Form::AsyncFn => quote!({ #call }),
        Form::ImplFuture => quote!({ async move { #call } }),
        Form::Boxed => quote!({ ::std::boxed::Box::pin(async move { #call }) }),
    };
    quote! {
        #(#attributes)*
        #documentation
        #visibility #signature #block
    }
}

/// Compiles where `Self` has no type and const parameters: to others it is not known whether they need a drop.
fn self_probe(plan: &Plan) -> TokenStream {
    let name = plan.name().span();
    // One span for all, so that it is one message.
    let here = Span::mixed_site().located_at(name);
    quote_spanned!(here=>
        #[allow(clippy::all, clippy::pedantic)]
        let _ = [(); ::core::mem::needs_drop::<Self>() as ::core::primitive::usize * 0];
    )
}

/// The statements of the wrapper; the last is its value.
fn call(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    let [cache_name, site_name, shape_name] = ["__cache", "__site", "__shape"].map(local);
    let cache = seeing_patterns(plan, cache(plan, paths), plan.cache.as_ref());
    let site = match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__site()),
        Companion::Methods { site, .. } => quote!(Self::#site()),
        Companion::None => {
            let site = site(plan, paths);
            quote!({ #site })
        }
    };
    let probe = plan.probes_self.then(|| self_probe(plan));
    let bypass = bypass(plan);
    let call = match (&plan.batch, &plan.mode) {
        (Some(batch), _) => batch::call(plan, paths, batch, &bypass),
        (None, mode) => {
            let (shape, fits) = (shape(plan, &private), fits(plan, paths));
            let call = match mode {
                Mode::Read => read::call(plan, paths, &bypass),
                Mode::WriteThrough { .. } | Mode::Invalidate => write::call(plan, paths, &bypass),
            };
            quote! {
                let #shape_name = #shape;
                #fits
                #call
            }
        }
    };
    quote! {
        #probe
        let #cache_name = #cache;
        let #site_name: &'static #private::Site = #site;
        #call
    }
}

/// Statements that bind `__bypass`, and what patterns bind.
fn bypass(plan: &Plan) -> TokenStream {
    let patterns = bindings(plan, 0..plan.arguments.len());
    let bypass_name = local("__bypass");
    let bypass = match &plan.bypass_if {
        Some(bypass_if) => {
            let bypass_name = local_at("__bypass", bypass_if.span());
            quote_spanned! {bypass_if.span()=>
                #[allow(clippy::redundant_type_annotations)]
                let #bypass_name: ::core::primitive::bool = #bypass_if;
            }
        }
        None => quote!(let #bypass_name = false;),
    };
    quote!(#(#patterns)* #bypass)
}
