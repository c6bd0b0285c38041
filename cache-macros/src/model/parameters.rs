//! Each type and const parameter is in `key`, or in `skip`: those of the function, and those of its `impl`.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{Generics, Ident};

use super::{
    function::{mentions, parameter_names},
    key::{KeyPlan, Root},
    skipped::Skipped,
};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, surroundings::Surroundings},
    suggest,
};

/// Each type and const parameter of the function and of its `impl` is in the key, or skipped.
pub(crate) fn check(key: &KeyPlan, skipped: &Skipped, function: &Function, diagnostics: &mut Diagnostics) {
    if skipped.broken || key.unknown > 0 {
        return;
    }
    let name = &function.signature.ident;
    let is_open = |parameter: &Ident| !key.has_parameter(parameter) && !skipped.has(parameter);
    for parameter in parameter_names(&function.signature.generics).filter(|parameter| is_open(parameter)) {
        diagnostics.error(
            parameter.span(),
            format!("`{parameter}` does not tell entries of `{name}` apart"),
            format!(
                "add `<{parameter}>` to `key`, or {} if the result does not depend on it",
                skipped.with([parameter])
            ),
        );
    }
    let own = Ident::new("Self", Span::call_site());
    let own_is_open = is_open(&own);
    match &function.surroundings {
        Surroundings::Impl { generics, of, .. } => {
            let in_self = |parameter: &Ident| mentions(of.to_token_stream(), parameter);
            let open = outer(generics, is_open).into_iter();
            let open: Vec<Ident> = open.filter(|parameter| own_is_open || !in_self(parameter)).collect();
            check_outer("the `impl`", &open, key, skipped, name, diagnostics);
        }
        Surroundings::Trait { generics } => {
            let open =
                own_is_open.then_some(own).into_iter().chain(outer(generics, is_open)).collect::<Vec<_>>();
            check_outer("the trait", &open, key, skipped, name, diagnostics);
        }
        Surroundings::Unknown | Surroundings::Module => {}
    }
}

fn outer(generics: &Generics, is_open: impl Fn(&Ident) -> bool) -> Vec<Ident> {
    parameter_names(generics).filter(|parameter| is_open(parameter)).cloned().collect()
}

/// The parameters of what stands around the function cannot be shown, so the key is.
fn check_outer(
    around: &str,
    open: &[Ident],
    key: &KeyPlan,
    skipped: &Skipped,
    function: &Ident,
    diagnostics: &mut Diagnostics,
) {
    if open.is_empty() {
        return;
    }
    let list = |show: &dyn Fn(&Ident) -> String| {
        suggest::list(&open.iter().map(show).collect::<Vec<_>>()).replace(" or ", " and ")
    };
    let verb = if open.len() == 1 { "does not" } else { "do not" };
    diagnostics.error(
        key.span,
        format!("{} of {around} {verb} tell entries of `{function}` apart", list(&ToString::to_string)),
        format!(
            "add {} to `key`, or {} if the result does not depend on it",
            list(&|parameter| format!("<{parameter}>")),
            skipped.with(open)
        ),
    );
}

/// Whether the compiler must look for parameters that could not be seen here: nothing says that `Self` was thought of.
pub(crate) fn must_probe(key: Option<&KeyPlan>, skipped: &Skipped, function: &Function) -> bool {
    let Some(key) = key else { return false };
    let in_impl = function.signature.receiver().is_some();
    let names = || {
        key.roots().filter_map(|root| match root {
            Root::Type(found) | Root::Const(found) => Some(found),
            _ => None,
        })
    };
    let own =
        |parameter: &&Ident| !parameter_names(&function.signature.generics).any(|own| own == *parameter);
    let thought_of = names().any(|name| own(&name))
        || skipped.names.iter().filter(own).any(|name| name.to_string().starts_with(char::is_uppercase));
    in_impl && !thought_of && matches!(function.surroundings, Surroundings::Unknown)
}
