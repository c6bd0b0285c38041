//! Cache-aside, write-through, or only invalidating: what each needs and forbids.

use proc_macro2::Span;
use syn::{ExprClosure, Ident, Type, spanned::Spanned as _};

use super::{
    function::Argument,
    key::{KeyPlan, Root},
    output,
};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, options::Options, target::Target, template::Template},
    suggest,
};

pub(crate) enum Mode {
    /// Look up, on a miss run the body and store.
    Read,
    /// Run the body, store its result or this argument.
    WriteThrough { value: Option<Ident> },
    /// Run the body, store nothing.
    Invalidate,
}

/// A target of an invalidation.
pub(crate) enum TargetPlan {
    /// A key, rendered before the body.
    Text(KeyPlan),
    /// A key that needs the result.
    TextOfResult(KeyPlan),
    /// A call of another cached function, rendered before the body.
    Entry(Target),
    /// One that needs the result.
    Made(ExprClosure, MadeTarget),
}

/// The inside of `|made| ..`.
pub(crate) enum MadeTarget {
    Text(KeyPlan),
    Entry(Target),
}

impl Mode {
    pub(crate) fn new(
        function: &Function,
        options: &Options,
        arguments: &[Argument],
        output: Option<&Type>,
        end: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let (key, ttl, invalidates) =
            (options.given("key"), options.given("ttl"), options.given("invalidates"));
        if !key && !ttl && invalidates {
            forbid_without_key(options, diagnostics);
            return Some(Self::Invalidate);
        }
        if !key {
            let help = match arguments.iter().find_map(|argument| argument.names.first()) {
                Some(first) => format!("add `key = \"{}:<{first}>\"`", function.signature.ident),
                None => format!("add `key = \"{}\"`", function.signature.ident),
            };
            diagnostics.error(end, "`key` is missing", help);
        }
        if !ttl {
            diagnostics.error(
                end,
                "`ttl` is missing",
                "add `ttl = \"STANDARD\"` (1 hour), or a duration: `ttl = \"5m\"`",
            );
        }
        let write = match &options.mode {
            None => invalidates || options.value.is_some(),
            Some(mode) => match mode.value.as_str() {
                "write-through" => true,
                "cache-aside" => {
                    if let Some(invalidates) = &options.invalidates {
                        diagnostics.error(
                            invalidates.span,
                            "a function that reads cannot invalidate",
                            "remove `mode = \"cache-aside\"`: with `invalidates` the function is write-through",
                        );
                    }
                    if let Some(value) = &options.value {
                        diagnostics.error(
                            value.span,
                            "`value` is for functions that write",
                            "remove `value`",
                        );
                    }
                    false
                }
                "write-behind" => {
                    diagnostics.error(
                        mode.span,
                        "`write-behind` is not there yet",
                        "write `mode = \"write-through\"`",
                    );
                    return None;
                }
                other => {
                    let modes = ["cache-aside", "write-through"];
                    let help =
                        suggest::or(other, modes, || "use `cache-aside` or `write-through`".to_owned());
                    diagnostics.error(mode.span, format!("unknown mode `{other}`"), help);
                    return None;
                }
            },
        };
        if !write {
            return Some(Self::Read);
        }
        let value = match &options.value {
            None => {
                if let Some(output) = output.filter(|output| output::is_unit(output)) {
                    let name = &function.signature.ident;
                    diagnostics.error(
                        output.span(),
                        format!("`{name}` returns nothing that could be cached"),
                        "name the argument to cache with `value = \"..\"`, or drop `key` and `ttl` to only invalidate",
                    );
                }
                None
            }
            Some(value) => {
                let all = || arguments.iter().flat_map(|argument| &argument.names);
                let Some(name) = all().find(|name| **name == value.value) else {
                    let names: Vec<String> = all().map(ToString::to_string).collect();
                    let help = suggest::or(&value.value, names.iter().map(String::as_str), || {
                        match names.is_empty() {
                            true => "remove `value`: there are no arguments".to_owned(),
                            false => format!("use {}", suggest::list(&names)),
                        }
                    });
                    let wrong =
                        format!("`{}` is not an argument of `{}`", value.value, function.signature.ident);
                    diagnostics.error(value.span, wrong, help);
                    return None;
                };
                Some(name.clone())
            }
        };
        Some(Self::WriteThrough { value })
    }
}

/// What makes no sense where nothing is stored.
fn forbid_without_key(options: &Options, diagnostics: &mut Diagnostics) {
    let spans = [
        ("mode", options.mode.as_ref().map(|option| option.span)),
        ("value", options.value.as_ref().map(|option| option.span)),
        ("negative_ttl", options.negative_ttl.as_ref().map(|option| option.span)),
        ("jitter", options.jitter.as_ref().map(|option| option.span)),
        ("cache_if", options.cache_if.as_ref().map(|option| option.span)),
        ("bypass_if", options.bypass_if.as_ref().map(|option| option.span)),
        ("version", options.version.as_ref().map(|option| option.span)),
        ("skip", options.skip.as_ref().and_then(|names| names.first()).map(Ident::span)),
    ];
    for (name, span) in spans {
        let Some(span) = span else { continue };
        diagnostics.error(
            span,
            format!("`{name}` has no meaning without `key` and `ttl`: this function stores nothing"),
            format!("remove `{name}`, or add `key` and `ttl`"),
        );
    }
}

/// A write inside of a transaction is not committed when the function returns.
pub(crate) fn check_transactions(arguments: &[Argument], diagnostics: &mut Diagnostics) {
    for argument in arguments {
        let mut ty = &argument.ty;
        while let Type::Reference(reference) = ty {
            ty = &reference.elem;
        }
        if let Type::Path(path) = ty
            && path.path.segments.last().is_some_and(|last| last.ident == "Transaction")
        {
            diagnostics.error(
                argument.ty.span(),
                "what happens in a transaction is not committed when this function returns",
                "annotate the function that commits",
            );
        }
    }
}

pub(crate) fn targets(
    options: &Options,
    function: &Function,
    arguments: &[Argument],
    diagnostics: &mut Diagnostics,
) -> Vec<TargetPlan> {
    let targets = options.invalidates.iter().flat_map(|targets| &targets.value);
    let text = |literal, diagnostics: &mut Diagnostics| {
        let template = Template::parse(literal, "invalidates", diagnostics)?;
        let plan = KeyPlan::of_target(&template, function, arguments, diagnostics);
        let needs_result = plan.roots().any(|root| matches!(root, Root::Return));
        Some((plan, needs_result))
    };
    targets
        .filter_map(|target| {
            Some(match target {
                Target::Text(literal) => match text(literal, diagnostics)? {
                    (plan, false) => TargetPlan::Text(plan),
                    (plan, true) => TargetPlan::TextOfResult(plan),
                },
                Target::Call(_) | Target::Method(_) => TargetPlan::Entry(target.clone()),
                Target::Made(closure, inner) => {
                    let inner = match &**inner {
                        Target::Text(literal) => MadeTarget::Text(text(literal, diagnostics)?.0),
                        other => MadeTarget::Entry(other.clone()),
                    };
                    TargetPlan::Made(closure.clone(), inner)
                }
            })
        })
        .collect()
}
