//! The arguments of the function: by reference, bound by patterns, in the signature of the wrapper.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{FnArg, Pat, PatType, PathArguments, Signature, Type};

use crate::model::{
    Plan,
    function::{Argument, Companion, first_type, is_name, mentions},
    key::KeyPlan,
    policy::TtlPlan,
};
/// What `entry(..)` takes a reference to: `str` for a `String`, what a reference refers to, else the type itself.
pub(super) fn borrowed(ty: &Type) -> Type {
    match ty {
        Type::Reference(reference) => match &*reference.elem {
            // `&(impl A + B)`
            Type::Paren(inner) => (*inner.elem).clone(),
            inner => inner.clone(),
        },
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last();
            match last.map(|last| (last.ident.to_string(), &last.arguments)) {
                Some((name, PathArguments::None)) if name == "String" => syn::parse_quote!(str),
                Some((name, arguments)) if name == "Vec" => match first_type(arguments) {
                    Some(element) => syn::parse_quote!([#element]),
                    None => ty.clone(),
                },
                _ => ty.clone(),
            }
        }
        other => other.clone(),
    }
}

/// `let (a, b) = &__cache_arg0;` for the patterns among some arguments.
pub(super) fn bindings<'a>(
    plan: &'a Plan,
    indices: impl IntoIterator<Item = usize> + 'a,
) -> impl Iterator<Item = TokenStream> + 'a {
    indices.into_iter().filter_map(|index| {
        let Argument { ident, pattern, .. } = &plan.arguments[index];
        let pattern = pattern.as_ref()?;
        Some(quote!(#[allow(unused_variables, clippy::pattern_type_mismatch)] let #pattern = &#ident;))
    })
}

/// The arguments that the key, the tags, the cache and the TTL use, in order.
pub(super) fn needed(plan: &Plan) -> BTreeSet<usize> {
    let mut needed: BTreeSet<usize> =
        plan.key.iter().chain(&plan.tags).flat_map(KeyPlan::arguments).collect();
    let ttl = match &plan.policy.ttl {
        Some(TtlPlan::Expression(ttl)) => Some(ttl.to_token_stream()),
        _ => None,
    };
    let expressions = [plan.cache.as_ref().map(|cache| cache.to_token_stream()), ttl];
    for tokens in expressions.into_iter().flatten() {
        for (index, argument) in plan.arguments.iter().enumerate() {
            if argument.names.iter().any(|name| mentions(tokens.clone(), name)) {
                needed.insert(index);
            }
        }
    }
    needed
}

/// Parameters for those arguments, each by reference.
pub(super) fn parameters(plan: &Plan, indices: &BTreeSet<usize>) -> Vec<TokenStream> {
    indices.iter().map(|index| parameter(&plan.arguments[*index])).collect()
}

/// An argument by reference.
pub(super) fn parameter(argument: &Argument) -> TokenStream {
    let (ident, ty) = (&argument.ident, borrowed(&argument.ty));
    match ty {
        Type::ImplTrait(_) => quote!(#ident: &(#ty)),
        _ => quote!(#ident: &#ty),
    }
}

/// The arguments as they were written, `self` left out.
pub(super) fn typed(plan: &Plan) -> impl Iterator<Item = (&PatType, &Argument)> {
    let typed = plan.function.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    typed.zip(&plan.arguments)
}

/// `let (a, b) = __cache_arg0;` in front of an inline body.
pub(super) fn moved_bindings(plan: &Plan) -> Vec<TokenStream> {
    if !matches!(plan.companion, Companion::None) {
        return Vec::new();
    }
    typed(plan)
        .filter(|(typed, _)| !matches!(&*typed.pat, Pat::Ident(simple) if is_name(simple)))
        .map(|(typed, argument)| {
            let (pattern, ident) = (&typed.pat, &argument.ident);
            quote!(let #pattern = #ident;)
        })
        .collect()
}

/// The signature of the wrapper: patterns and `mut` make place for names.
pub(super) fn wrapper_signature(plan: &Plan) -> Signature {
    let mut signature = plan.function.signature.clone();
    let keep_mut = matches!(plan.companion, Companion::None) && plan.batch.is_none();
    rename(plan, &mut signature, keep_mut);
    signature
}

/// Where the body stays inline it needs the user's `mut`, and patterns are matched inside of it.
pub(super) fn rename(plan: &Plan, signature: &mut Signature, keep_mut: bool) {
    let typed = signature.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    for (typed, argument) in typed.zip(&plan.arguments) {
        match &mut *typed.pat {
            Pat::Ident(simple) if is_name(simple) => {
                if !keep_mut {
                    simple.mutability = None;
                }
            }
            pattern => {
                let ident = &argument.ident;
                *pattern = syn::parse_quote!(#ident);
            }
        }
    }
}
