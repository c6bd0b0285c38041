//! A function that reads: a look-up, and the body as a load.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::{
    body::body,
    detached::detached,
    key::{own_key, own_tags},
    paths::{Paths, local, shown},
    rules::rules,
};
use crate::model::{Plan, detach::Detach, output};

/// The statements behind the shape; the last is the result. `bypass`: those that bind `__bypass`.
pub(super) fn call(plan: &Plan, paths: &Paths<'_>, bypass: &TokenStream) -> TokenStream {
    let private = paths.private();
    // The span lets a result that cannot be cached be shown on its own tokens.
    let span = output::value(&plan.output).span();
    let [cache_name, site_name, key_name, bypass_name, rules_name, body_name, call_name, launch_name] =
        ["__cache", "__site", "__key", "__bypass", "__rules", "__body", "__call", "__launch"].map(local);
    let [shape_here, launch_here] = ["__cache_shape", "__cache_launch"].map(|name| shown(name, span));
    let key = plan.key.as_ref().map(|key| own_key(plan, paths, key));
    let rules = rules(plan, paths, "rules");
    let local_hit = (plan.policy.local != Some(None)).then(|| local_hit(paths, span));
    let tagged = own_tags(plan, paths).map(|tags| {
        quote! {
            #[allow(unused_qualifications)]
            let #call_name = #call_name.tagged(#tags);
        }
    });
    let body = match plan.detach {
        Detach::No => attached(plan, paths),
        Detach::Probe | Detach::Yes => detached(plan, &private),
    };
    let read = quote_spanned! {span=>
        let #launch_here = #launch_name;
        #launch_here.read(#call_name, #shape_here, #rules_name, #body_name).await
    };
    // The key is looked up where it was written: to move what was written a moment ago takes as long as a look-up.
    quote! {
        let mut #key_name = #private::key(&#cache_name);
        #private::namespace(&mut #key_name, &#cache_name);
        #[allow(unused_qualifications)]
        let #bypass_name = {
            #bypass
            #key
            #bypass_name
        };
        #local_hit
        let #call_name = #private::call(&#cache_name, #site_name, #key_name, #bypass_name);
        #tagged
        #rules
        #body
        #read
    }
}

/// A body that ends with its caller.
fn attached(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let [body_name, launch_name] = ["__body", "__launch"].map(local);
    let (private, body) = (paths.private(), body(plan));
    quote! {
        let #body_name = #body;
        let #body_name = || #body_name;
        let #launch_name = #private::Attached;
    }
}

/// What the process holds is the result at once, before anything is moved. `span`: where a result that cannot be cached
/// is shown, once for this and for the read.
pub(super) fn local_hit(paths: &Paths<'_>, span: Span) -> TokenStream {
    let [cache, site, key, bypass, hit] = ["__cache", "__site", "__key", "__bypass", "__hit"].map(local);
    let (shape_here, private) = (shown("__cache_shape", span), paths.private_at(span));
    let found = quote_spanned!(span=> #private::local(&#cache, #site, &#key, #bypass, #shape_here));
    quote! {
        if let ::core::option::Option::Some(#hit) = #found {
            return #hit;
        }
    }
}
