//! The generics of what stands beside the function: those that it mentions.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{GenericParam, Generics, Ident, Token, TypeParamBound, WherePredicate, punctuated::Punctuated};

use super::arguments::{needed, parameters};
use crate::model::{
    Plan,
    function::mentions,
    key::{KeyPlan, Root},
};
pub(super) fn key_generics(plan: &Plan) -> Generics {
    let parameters = parameters(plan, &needed(plan));
    generics_of(plan, &quote!(#(#parameters),*))
}

/// The generics that some tokens, the key and the tags mention, with the bounds that concern them only.
pub(super) fn generics_of(plan: &Plan, tokens: &TokenStream) -> Generics {
    let in_key = |ident: &Ident| {
        let mut roots = plan.key.iter().chain(&plan.tags).flat_map(KeyPlan::roots);
        roots.any(|root| matches!(root, Root::Type(found) | Root::Const(found) if found == ident))
    };
    kept_generics(&plan.function.signature.generics, in_key, tokens)
}

/// The generics that some tokens mention or that are wanted anyway.
pub(super) fn kept_generics(
    all: &Generics,
    in_key: impl Fn(&Ident) -> bool,
    tokens: &TokenStream,
) -> Generics {
    let wanted = |parameter: &GenericParam| match parameter {
        GenericParam::Lifetime(lifetime) => mentions(tokens.clone(), &lifetime.lifetime.ident),
        GenericParam::Type(parameter) => {
            in_key(&parameter.ident) || mentions(tokens.clone(), &parameter.ident)
        }
        GenericParam::Const(parameter) => {
            in_key(&parameter.ident) || mentions(tokens.clone(), &parameter.ident)
        }
    };
    let mut generics = all.clone();
    generics.params = all.params.iter().filter(|parameter| wanted(parameter)).cloned().collect();
    let dropped: Vec<Ident> = all
        .params
        .iter()
        .filter(|parameter| !wanted(parameter))
        .map(|parameter| ident_of(parameter).clone())
        .collect();
    let stays = |tokens: TokenStream| !dropped.iter().any(|dropped| mentions(tokens.clone(), dropped));
    // Of `I: KeyPart + 'a` the first half stays where `'a` goes.
    let bounds = |bounds: &mut Punctuated<TypeParamBound, Token![+]>| {
        *bounds = std::mem::take(bounds).into_iter().filter(|bound| stays(bound.to_token_stream())).collect();
    };
    for parameter in &mut generics.params {
        match parameter {
            GenericParam::Type(parameter) => bounds(&mut parameter.bounds),
            GenericParam::Lifetime(parameter) => {
                parameter.bounds = std::mem::take(&mut parameter.bounds)
                    .into_iter()
                    .filter(|bound| stays(bound.to_token_stream()))
                    .collect();
            }
            GenericParam::Const(_) => {}
        }
    }
    if let Some(clause) = &mut generics.where_clause {
        let kept = |predicate: WherePredicate| match predicate {
            WherePredicate::Type(mut predicate) => {
                bounds(&mut predicate.bounds);
                let stays = stays(predicate.bounded_ty.to_token_stream()) && !predicate.bounds.is_empty();
                stays.then_some(WherePredicate::Type(predicate))
            }
            other => stays(other.to_token_stream()).then_some(other),
        };
        clause.predicates = std::mem::take(&mut clause.predicates).into_iter().filter_map(kept).collect();
    }
    generics
}

pub(super) fn ident_of(parameter: &GenericParam) -> &Ident {
    match parameter {
        GenericParam::Lifetime(lifetime) => &lifetime.lifetime.ident,
        GenericParam::Type(parameter) => &parameter.ident,
        GenericParam::Const(parameter) => &parameter.ident,
    }
}

/// `::<T, N>` of the named type and const parameters.
pub(super) fn turbofish(generics: &Generics) -> TokenStream {
    let named: Vec<&Ident> = generics
        .params
        .iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .map(ident_of)
        .collect();
    if named.is_empty() { TokenStream::new() } else { quote!(::<#(#named),*>) }
}
