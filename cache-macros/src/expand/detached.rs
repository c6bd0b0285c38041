//! A body that may outlive its caller.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, ReceiverKind, Type, spanned::Spanned as _};

use super::{generics::turbofish, paths::local};
use crate::model::{Plan, detach::Detach, function::Companion};

/// A body that may outlive the caller: a closure that takes the arguments, and makes those owned that are references.
pub(super) fn detached(plan: &Plan, private: &TokenStream) -> TokenStream {
    let [body, launch, this] = ["__body", "__launch", "__self"].map(local);
    let references: Vec<(&Ident, Ident, Ident)> = plan
        .arguments
        .iter()
        .enumerate()
        .filter(|(_, argument)| is_borrow(&argument.ty))
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

/// Whether an argument is borrowed from the caller: what is `'static` is taken as it is.
fn is_borrow(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference)
        if reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static"))
}
