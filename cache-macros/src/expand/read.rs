//! A function that reads: a look-up, and the body as a load.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, ReceiverKind, Type, spanned::Spanned as _};

use super::{
    body::body,
    generics::turbofish,
    key::{own_key, own_tags},
    paths::{Paths, local, shown},
    rules::rules,
};
use crate::model::{Plan, detach::Detach, function::Companion, output};

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

/// A body that may outlive the caller: a closure that takes the arguments, and makes those owned that are references.
pub(super) fn detached(plan: &Plan, private: &TokenStream) -> TokenStream {
    let [body, launch, this] = ["__body", "__launch", "__self"].map(local);
    let references: Vec<(&Ident, Ident, Ident)> = plan
        .arguments
        .iter()
        .enumerate()
        .filter(|(_, argument)| matches!(argument.ty, Type::Reference(_)))
        .map(|(index, argument)| {
            (&argument.ident, local(&format!("__kind{index}")), local(&format!("__held{index}")))
        })
        .collect();
    let kinds = references.iter().map(|(argument, kind, _)| match plan.detach {
        Detach::Yes => quote!(let #kind = #private::Cloned;),
        Detach::Probe | Detach::No => quote! {
            let #kind = {
                #[allow(unused_imports)]
                use #private::{ArgCloned as _, ArgKept as _};
                (&&#private::Arg::new(#argument)).kind()
            };
        },
    });
    let take = references.iter().map(|(argument, kind, held)| quote!(let #held = #kind.take(#argument);));
    let arguments = plan.arguments.iter().map(|argument| {
        let held = references.iter().find(|(ident, ..)| **ident == argument.ident);
        match held {
            Some((_, _, held)) => quote!(#held.get()),
            None => argument.ident.to_token_stream(),
        }
    });
    let turbofish = turbofish(&plan.function.signature.generics);
    let receiver = plan.function.signature.receiver();
    let (own, call) = match &plan.companion {
        Companion::Methods { uncached, .. } => {
            let own = match receiver {
                Some(receiver) if matches!(receiver.kind, ReceiverKind::Reference(..)) => {
                    let own = receiver.self_token;
                    quote_spanned!(own.span()=> let #this = <Self as ::core::clone::Clone>::clone(self);)
                }
                _ => quote!(let #this = self;),
            };
            (own, quote!(#this.#uncached #turbofish))
        }
        Companion::Type(name) => (TokenStream::new(), quote!(<#name>::uncached #turbofish)),
        Companion::None => unreachable!("what has no companion is not detached"),
    };
    let how = how(plan, private, &call, &references);
    quote! {
        #(#kinds)*
        let #body = move || {
            #own
            #(#take)*
            #private::carried(async move { #call (#(#arguments),*).await })
        };
        let #launch = #how;
    }
}

/// How the load goes on: as it is asked for, or as the compiler finds.
fn how(
    plan: &Plan,
    private: &TokenStream,
    call: &TokenStream,
    references: &[(&Ident, Ident, Ident)],
) -> TokenStream {
    let how = local("__how");
    match plan.detach {
        Detach::Yes => {
            let output = &plan.output;
            quote!({
                #[allow(unused_imports)]
                use #private::{SendsAttached as _, SendsDetached as _};
                (&&#private::Sends::<#output>::NEW).launch()
            })
        }
        Detach::Probe | Detach::No => {
            let kinds = references.iter().map(|(_, kind, _)| kind);
            // Never called. The compiler knows only of another function's future whether it is `Send`, not of one that
            // is made in the function which it is looking at.
            let nothing = plan.arguments.iter().map(|_| quote!(::core::unreachable!()));
            quote!({
                #[allow(unused_imports)]
                use #private::{LaunchAttached as _, LaunchDetached as _};
                #[allow(unreachable_code, clippy::diverging_sub_expression)]
                let #how = #private::Launch::of(|| #call (#(#nothing),*), (#(#kinds,)*));
                (&&#how).launch()
            })
        }
    }
}
