//! A function that reads many entries at once: one call into the runtime, with closures for the key of one of them and
//! for the body.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, Pat, ReceiverKind, Type, spanned::Spanned as _};

use super::{
    arguments::{bindings, typed},
    generics::turbofish,
    key::{self, pieces},
    paths::{Paths, at, local, shown},
    rules,
};
use crate::model::{
    Plan,
    batch::{Batch, List, value_span},
    function::{Argument, Companion, Form, is_name},
    key::KeyPlan,
};

/// The statements behind the site; the last is the result. `bypass_if`: those that bind `__bypass`.
pub(super) fn call(plan: &Plan, paths: &Paths<'_>, batch: &Batch, bypass_if: &TokenStream) -> TokenStream {
    let [cache, site, shape, bypass, rules, ids] =
        ["__cache", "__site", "__shape", "__bypass", "__rules", "__ids"].map(local);
    let list = &plan.arguments[batch.list].ident;
    let output = &plan.output;
    let private = paths.private();
    let probe = local("__probe");
    let probed = match batch.form {
        List::Slice | List::Borrowed => list.to_token_stream(),
        List::Owned => quote!(&#list),
    };
    let id = match &batch.element_type {
        Type::ImplTrait(_) => quote!(_),
        named => named.to_token_stream(),
    };
    // What is no result of a batch is shown on all of it, once.
    let here = paths.private_at(output.span());
    let found = quote_spanned! {output.span()=>
        #here::batch_result::<#output, #id>(&#probe);
    };
    let found = quote!({
        #[allow(unused_imports)]
        use #private::{BatchProbeFit as _, BatchProbeUnfit as _};
        let #probe = #private::BatchProbe::<#output, _>::of(#probed);
        #found
        (&&#probe).shape()
    });
    let owned = match batch.form {
        List::Slice | List::Borrowed => quote!(#private::batch_ids(#shape, #list)),
        List::Owned => list.to_token_stream(),
    };
    let make_rules = rules::rules(plan, paths, "batch_rules");
    let (key, tags, body) = (key_of(plan, paths, batch), tags_of(plan, paths, batch), body_of(plan, batch));
    let span = value_span(output);
    let (here, shape_here) = (paths.private_at(span), shown("__cache_shape", span));
    let read = quote_spanned! {span=>
        let #shape_here = #shape;
        #here::ResultValue::fits(#here::batch_value_of(#shape_here));
        #here::batch(&#cache, #site, #shape_here, #ids, #bypass, #key, #tags, #rules, #body).await
    };
    quote! {
        #[allow(unused_qualifications)]
        let #bypass = {
            #bypass_if
            #bypass
        };
        let #shape = #found;
        #make_rules
        let #ids = #owned;
        #read
    }
}

/// From one of the list to its key.
fn key_of(plan: &Plan, paths: &Paths<'_>, batch: &Batch) -> TokenStream {
    let Some(key) = &plan.key else { return TokenStream::new() };
    let (cache, writer, private) = (local("__cache"), local("__key"), paths.private());
    let element = &batch.element;
    let patterns = bindings(plan, key.arguments());
    let pieces = pieces(plan, paths, key, &writer, None, plan.version);
    quote!(|#element| {
        #(#patterns)*
        let mut #writer = #private::key(&#cache);
        #private::namespace(&mut #writer, &#cache);
        #pieces
        #writer
    })
}

/// From one of the list to its tags.
fn tags_of(plan: &Plan, paths: &Paths<'_>, batch: &Batch) -> TokenStream {
    if plan.tags.is_empty() {
        return quote!(|_| ::std::vec::Vec::new());
    }
    let cache = local("__cache");
    let element = &batch.element;
    let used: BTreeSet<usize> = plan.tags.iter().flat_map(KeyPlan::arguments).collect();
    let patterns = bindings(plan, used);
    let tags = key::tags(plan, paths, &quote!(&#cache));
    quote!(|#element| {
        let _ = #element;
        #(#patterns)*
        #tags
    })
}

/// From those of the list that are missing to the body. It may run twice, so it gets copies of what it takes.
fn body_of(plan: &Plan, batch: &Batch) -> TokenStream {
    let [ids, this] = ["__ids", "__self"].map(local);
    let missing = match batch.form {
        List::Slice => quote!(&#ids[..]),
        List::Borrowed => quote!(&#ids),
        List::Owned => quote!(#ids),
    };
    let turbofish = turbofish(&plan.function.signature.generics);
    let call = match &plan.companion {
        Companion::None => return inline(plan, batch, &ids, &missing),
        Companion::Type(name) => quote!(<#name>::uncached #turbofish),
        Companion::Methods { uncached, .. } => quote!(#this.#uncached #turbofish),
    };
    let receiver = plan.function.signature.receiver().map(|receiver| {
        let own = receiver.self_token;
        match &receiver.kind {
            ReceiverKind::Reference(..) => quote!(let #this = #own;),
            _ => quote_spanned!(own.span()=> let #this = ::core::clone::Clone::clone(&#own);),
        }
    });
    let others = || plan.arguments.iter().enumerate().filter(|(index, _)| *index != batch.list);
    let copies = others().filter_map(|(index, argument)| {
        let held = local(&format!("__held{index}"));
        let copy = copied(argument)?;
        Some(quote!(let #held = #copy;))
    });
    let arguments = plan.arguments.iter().enumerate().map(|(index, argument)| {
        if index == batch.list {
            missing.clone()
        } else if copied(argument).is_some() {
            local(&format!("__held{index}")).to_token_stream()
        } else {
            argument.ident.to_token_stream()
        }
    });
    quote!(|#ids| {
        #receiver
        #(#copies)*
        async move { #call (#(#arguments),*).await }
    })
}

/// A copy of an argument that is not a reference.
fn copied(argument: &Argument) -> Option<TokenStream> {
    let (ident, ty) = (&argument.ident, &argument.ty);
    if let Type::Reference(_) = ty {
        return None;
    }
    let ident = at(ident.to_token_stream(), ty.span());
    Some(quote_spanned!(ty.span()=> ::core::clone::Clone::clone(&#ident)))
}

/// The body where it stands, with its arguments bound anew.
fn inline(plan: &Plan, batch: &Batch, ids: &Ident, missing: &TokenStream) -> TokenStream {
    let (body, output) = (&plan.body, &plan.output);
    let [result, future] = ["__result", "__future"].map(local);
    let all = typed(plan).enumerate();
    let copies = all.filter(|(index, _)| *index != batch.list).filter_map(|(_, (typed, argument))| {
        let (pattern, ident) = (&typed.pat, &argument.ident);
        let is_name =
            matches!(&**pattern, Pat::Ident(simple) if is_name(simple) && simple.mutability.is_none());
        match copied(argument) {
            None if is_name => None,
            copy => {
                let copy = copy.unwrap_or_else(|| ident.to_token_stream());
                let uses = argument.names.iter().filter(|name| plan.uses(name));
                Some(quote!(let #pattern = #copy; #(let _ = &#uses;)*))
            }
        }
    });
    let list = typed(plan).nth(batch.list).map(|(typed, _)| &typed.pat);
    let run = match plan.form {
        Form::AsyncFn => quote! {
            #[allow(unreachable_code, clippy::diverging_sub_expression)]
            if false {
                let #result: #output = ::core::unreachable!();
                return #result;
            }
            let #list = #missing;
            #body
        },
        Form::Boxed | Form::ImplFuture => quote! {
            let #list = #missing;
            let #future = #body;
            #future.await
        },
    };
    quote!(|#ids| {
        #(#copies)*
        async move { #run }
    })
}
