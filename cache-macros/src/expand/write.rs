//! A function that writes: its own key, its targets, and the body between.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned as _};

use super::{
    arguments::bindings,
    body::body,
    detached::detached,
    key::{own_key, own_tags},
    paths::{Paths, at, local, shown},
    rules::{cache_if, rules, ttl_rule},
    targets::{early_targets, late_targets},
};
use crate::model::{Plan, detach::Detach, mode::Mode, output};

/// The statements behind the shape; the last is the result. `bypass`: those that bind `__bypass`.
pub(super) fn call(plan: &Plan, paths: &Paths<'_>, bypass: &TokenStream) -> TokenStream {
    let private = paths.private();
    let [cache_name, site_name, key_name, bypass_name, write_name, tags_name, targets_name, output_name] =
        ["__cache", "__site", "__key", "__bypass", "__write", "__tags", "__targets", "__output"].map(local);
    let output = &plan.output;
    let own = own(plan, paths);
    let targets = early_targets(plan, paths);
    let tags = own_tags(plan, paths).unwrap_or_else(|| quote!(::std::vec::Vec::new()));
    let argument = match &plan.mode {
        Mode::WriteThrough { value: Some(value) } => Some(store_argument(plan, paths, value)),
        Mode::WriteThrough { value: None } | Mode::Invalidate | Mode::Read => None,
    };
    let (rules, finish) = finish(plan, paths);
    let late = late_targets(plan, paths);
    let unchanged = unchanged(plan, &private);
    let launch_name = local("__launch");
    let (prepared, body) = match plan.detach {
        Detach::No => (TokenStream::new(), body(plan)),
        Detach::Probe | Detach::Yes => {
            let body_name = local("__body");
            let detached = detached(plan, &private);
            // Here, so that what goes on without the caller holds nothing that the caller has lent.
            (quote!(#detached let #body_name = #body_name();), body_name.to_token_stream())
        }
    };
    let write = quote! {
        let #output_name: #output = #write_name.run(#body).await;
        #unchanged
        #late
        #finish
    };
    let write = match plan.detach {
        Detach::No => write,
        Detach::Probe | Detach::Yes => {
            quote!(#launch_name.write(#write_name.home(), async move { #write }).await)
        }
    };
    quote! {
        #[allow(unused_qualifications)]
        let (#key_name, #tags_name, #targets_name, #bypass_name) = {
            #bypass
            (#own, #tags, #targets, #bypass_name)
        };
        #rules
        let mut #write_name =
            #private::write(&#cache_name, #site_name, #key_name, #tags_name, #targets_name, #bypass_name).await;
        #argument
        #prepared
        #write
    }
}

/// Asks whether an error says that nothing was changed.
fn unchanged(plan: &Plan, private: &TokenStream) -> Option<TokenStream> {
    let [shape_name, write_name, output_name] = ["__shape", "__write", "__output"].map(local);
    let unchanged_if = plan.policy.unchanged_if.as_ref()?;
    let verdict = quote_spanned! {unchanged_if.span()=>
        #private::unchanged(#shape_name, &#output_name, #unchanged_if)
    };
    Some(quote!(#private::note_unchanged(&mut #write_name, #verdict);))
}

/// The function's own key, if it stores something.
fn own(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let Some(key) = &plan.key else { return quote!(::core::option::Option::None) };
    let [cache_name, key_name] = ["__cache", "__key"].map(local);
    let (private, key) = (paths.private(), own_key(plan, paths, key));
    quote!(::core::option::Option::Some({
        let mut #key_name = #private::key(&#cache_name);
        #private::namespace(&mut #key_name, &#cache_name);
        #key
        #key_name
    }))
}

/// The rules for what is stored, and the end of the write.
fn finish(plan: &Plan, paths: &Paths<'_>) -> (TokenStream, TokenStream) {
    let [shape_name, rules_name, late_name, write_name, output_name] =
        ["__shape", "__rules", "__late", "__write", "__output"].map(local);
    if let Mode::WriteThrough { value: None } = plan.mode {
        let span = output::value(&plan.output).span();
        let (here, shown) = (paths.private_at(span), shown("__cache_shape", span));
        let finish = quote_spanned! {span=>
            #here::finish_storing(#write_name, #shown, #rules_name, #output_name, #late_name).await
        };
        return (rules(plan, paths, "rules"), finish);
    }
    (TokenStream::new(), quote!(#write_name.finish(#shape_name, #output_name, #late_name).await))
}

/// The argument that is stored when the body succeeds, encoded before the body consumes it.
pub(super) fn store_argument(plan: &Plan, paths: &Paths<'_>, value: &Ident) -> TokenStream {
    let write = local("__write");
    let ttl = ttl_rule(plan, paths);
    let cache_if = cache_if(plan);
    let patterns = bindings(plan, 0..plan.arguments.len());
    let reference = plan.arguments.iter().any(|argument| {
        argument.pattern.is_some() && argument.names.contains(value)
            || argument.ident == *value && matches!(argument.ty, Type::Reference(_))
    });
    let argument = plan.arguments.iter().find(|argument| argument.names.contains(value));
    let span = argument.map_or_else(|| value.span(), |argument| argument.ty.span());
    let private = paths.private_at(span);
    let value = at(value.to_token_stream(), span);
    let value = if reference { value } else { quote_spanned!(span=> &#value) };
    let argument = quote_spanned!(span=> #private::store_argument);
    quote!({
        #(#patterns)*
        #argument(&mut #write, #value, #ttl, #cache_if);
    })
}
