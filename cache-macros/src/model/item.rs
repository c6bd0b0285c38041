//! Whether the attribute can work on the function at all.

use syn::{GenericArgument, Ident, PathArguments, ReturnType, Type, TypeParamBound, spanned::Spanned as _};

use super::function::{Companion, Form, first_type, ungrouped};
use crate::{
    diag::Diagnostics,
    parse::{Spanned, function::Function},
};

/// Whether the attribute can work on this function at all; its form, and what its future gives.
pub(crate) fn check(
    function: &Function,
    companion: Option<&Spanned<Option<Ident>>>,
    diagnostics: &mut Diagnostics,
) -> Option<(Form, Type)> {
    let signature = &function.signature;
    let name = &signature.ident;
    if let Some(constness) = &signature.constness {
        diagnostics.error(
            constness.span(),
            format!("`{name}` is a `const fn`, which no cache can stand in front of"),
            format!("write `async fn {name}`"),
        );
        return None;
    }
    if !matches!(signature.safety, syn::Safety::Default) {
        diagnostics.error(
            signature.safety.span(),
            format!("`{name}` is not a safe function"),
            "put the attribute on a safe function that calls it",
        );
        return None;
    }
    if function.body.is_none() {
        diagnostics.error(
            signature.ident.span(),
            format!("`{name}` has no body"),
            "put the attribute on the method in each `impl` of the trait",
        );
        return None;
    }
    check_associated(function, companion, diagnostics);
    if signature.asyncness.is_some() {
        let output = match &signature.output {
            ReturnType::Default => syn::parse_quote_spanned!(name.span()=> ()),
            ReturnType::Type(_, output) => ungrouped(output).clone(),
        };
        return Some((Form::AsyncFn, output));
    }
    let found = match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, output) => future_output(ungrouped(output)),
    };
    if found.is_none() {
        diagnostics.error(
            signature.fn_token.span(),
            format!("`{name}` is not async"),
            format!("write `async fn {name}`"),
        );
    }
    found
}

/// The attributes of web frameworks make a type of the function's name, too.
pub(crate) fn check_routes(function: &Function, diagnostics: &mut Diagnostics) {
    const ROUTES: [&str; 10] =
        ["get", "post", "put", "delete", "patch", "head", "options", "route", "handler", "endpoint"];
    for attribute in &function.attributes {
        let Some(last) = attribute.path().segments.last() else { continue };
        if ROUTES.iter().any(|route| last.ident == route) {
            let name = &function.signature.ident;
            diagnostics.error_on(
                attribute,
                format!("`{name}` is a handler of a web framework, whose response a cache cannot store"),
                "put `#[cached]` on the service function that returns the data, and call that in the handler",
            );
        }
    }
}

/// Beside a free function stands a type, which an `impl` cannot hold.
fn check_associated(
    function: &Function,
    companion: Option<&Spanned<Option<Ident>>>,
    diagnostics: &mut Diagnostics,
) {
    let is_type = matches!(Companion::new(function, companion.cloned()), Companion::Type(_));
    if is_type && function.surroundings.is_impl() {
        let name = &function.signature.ident;
        diagnostics.error(
            name.span(),
            format!("`{name}` has no `self`, and beside a function without it stands a type, which an `impl` cannot hold"),
            "write `companion = false`, or take `&self`",
        );
    }
}

/// `R` of `Pin<Box<dyn Future<Output = R> + ..>>` and of `impl Future<Output = R> + ..`.
fn future_output(ty: &Type) -> Option<(Form, Type)> {
    match ty {
        Type::ImplTrait(future) => Some((Form::ImplFuture, bounds_output(future.bounds.iter())?)),
        Type::Path(path) => {
            let pin = path.path.segments.last().filter(|segment| segment.ident == "Pin")?;
            let Type::Path(boxed) = first_type(&pin.arguments)? else { return None };
            let boxed = boxed.path.segments.last().filter(|segment| segment.ident == "Box")?;
            let Type::TraitObject(future) = first_type(&boxed.arguments)? else { return None };
            Some((Form::Boxed, bounds_output(future.bounds.iter())?))
        }
        _ => None,
    }
}

fn bounds_output<'a>(bounds: impl Iterator<Item = &'a TypeParamBound>) -> Option<Type> {
    for bound in bounds {
        let TypeParamBound::Trait(bound) = bound else { continue };
        let Some(last) = bound.path.segments.last().filter(|segment| segment.ident == "Future") else {
            continue;
        };
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { continue };
        for argument in &arguments.args {
            if let GenericArgument::AssocType(output) = argument
                && output.ident == "Output"
            {
                return Some(output.ty.clone());
            }
        }
    }
    None
}
