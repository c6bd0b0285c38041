//! What the items of an expansion share: attributes, visibility, documentation.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Attribute, Meta, Visibility};

use crate::model::{Plan, function::Companion, mode::Mode, policy::TtlPlan};
/// `#[cfg]`s of the function, for every item beside it.
pub(super) fn cfgs(plan: &Plan) -> Vec<TokenStream> {
    let attributes = plan.function.attributes.iter();
    attributes
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .map(|attribute| attribute.to_token_stream())
        .collect()
}

/// `#[expect(..)]` as `#[allow(..)]`: what is expected may happen in the function or in its body, not in both.
pub(super) fn allowed(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("expect") => {
            let lints = &list.tokens;
            quote!(#[allow(#lints)])
        }
        _ => attribute.to_token_stream(),
    }
}

/// Where the companion's type is private, its functions need not be: one message about the type is enough.
pub(super) fn visibility(plan: &Plan) -> TokenStream {
    match (&plan.companion, &plan.function.visibility) {
        (Companion::Type(_), Visibility::Inherited) => quote!(pub(crate)),
        (_, visibility) => visibility.to_token_stream(),
    }
}

/// A section for the documentation of a function that has some.
pub(super) fn documentation(plan: &Plan) -> Option<TokenStream> {
    let documented = plan.function.attributes.iter().any(|attribute| attribute.path().is_ident("doc"));
    let key = plan.key.as_ref().filter(|_| documented)?;
    let how = match &plan.mode {
        Mode::Read => "Cached under",
        Mode::WriteThrough { .. } | Mode::Invalidate => "Writes through to",
    };
    let long = match &plan.policy.ttl {
        Some(TtlPlan::Class(name, _)) => format!(", TTL class `{name}`"),
        Some(TtlPlan::For(duration)) => format!(" for {duration:?}"),
        Some(TtlPlan::Expression(_) | TtlPlan::FromValue(_)) | None => String::new(),
    };
    let text = format!("\n\n# Cache\n{how} `{}`{long}.", key.template);
    Some(quote!(#[doc = #text]))
}
