//! What decides whether a value is stored, for how long, and where: `ttl`, `cache_if`, `cache`, the shape of the result.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Expr, ExprClosure, Ident, Type, spanned::Spanned as _};

use super::{
    arguments::bindings,
    paths::{Paths, at, local, local_at, shown},
};
use crate::model::{
    Plan,
    detach::Detach,
    function::{Argument, mentions},
    mode::Mode,
    output,
    policy::TtlPlan,
};
pub(super) fn cache(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    match &plan.cache {
        Some(cache) => {
            let private = paths.private_at(cache.span());
            quote_spanned!(cache.span()=> #private::cache(&(#cache)))
        }
        None => {
            let private = paths.private();
            quote!(#private::current())
        }
    }
}

/// Finds the shape of the result by its type. See `Probe` in the runtime.
pub(super) fn shape(plan: &Plan, private: &TokenStream) -> TokenStream {
    let output = &plan.output;
    quote!({
        #[allow(unused_imports)]
        use #private::{
            ProbeFallible as _, ProbeFallibleOptional as _, ProbeFallibleOptionalShared as _, ProbeFallibleShared as _,
            ProbeOptional as _, ProbePlain as _,
        };
        (&&&&&&&&&&#private::Probe::<#output>::new()).shape()
    })
}

/// Compiles where the result can be stored, and can be `None` where `negative_ttl` says so. In front of everything else
/// that needs it, so that the message has no frames of ours.
pub(super) fn fits(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let output = &plan.output;
    let negative = plan.policy.negative_ttl.as_ref().filter(|_| plan.batch.is_none()).map(|_| {
        let span = plan.policy.negative_span;
        let (private, output) = (paths.private_at(span), at(quote!(#output), span));
        quote_spanned!(span=> <#output as #private::MayBeAbsent>::fits();)
    });
    let stored = matches!(plan.mode, Mode::Read | Mode::WriteThrough { value: None }).then(|| {
        let span = output::value(output).span();
        let (private, shape_here, shape) =
            (paths.private_at(span), shown("__cache_shape", span), local("__shape"));
        let check =
            Ident::new(if output::is_response(output) { "ServiceValue" } else { "ResultValue" }, span);
        let value = quote_spanned!(span=> #private::#check::fits(#private::value_of(#shape_here)););
        quote!(let #shape_here = #shape; #value)
    });
    let detached = (plan.detach == Detach::Yes).then(|| {
        let span = output.span();
        let (private, output) = (paths.private_at(span), at(quote!(#output), span));
        quote_spanned!(span=> <#output as #private::Detachable>::fits();)
    });
    quote!(#negative #stored #detached)
}

/// `let __rules = ..;`
pub(super) fn rules(plan: &Plan, paths: &Paths<'_>, of: &str) -> TokenStream {
    let [rules, shape, ttl_name] = ["__rules", "__shape", "__ttl"].map(local);
    let private = paths.private();
    let of = Ident::new(of, Span::call_site());
    let cache_if = cache_if(plan);
    match &plan.policy.ttl {
        // Before the body, which may consume what the expression mentions.
        Some(ttl @ TtlPlan::Expression(expression)) => {
            let ttl = seeing_patterns(plan, fixed_ttl(ttl, paths), Some(expression));
            quote! {
                #[allow(unused_qualifications)]
                let #ttl_name = #ttl;
                let #rules = #private::#of(#shape, move |_| #ttl_name, #cache_if);
            }
        }
        _ => {
            let ttl = ttl_rule(plan, paths);
            quote! {
                #[allow(unused_qualifications)]
                let #rules = #private::#of(#shape, #ttl, #cache_if);
            }
        }
    }
}

pub(super) fn cache_if(plan: &Plan) -> TokenStream {
    match &plan.policy.cache_if {
        Some(closure @ Expr::Closure(_)) => closure.to_token_stream(),
        // Called, so that something else than a function is one mistake, not one at each use.
        Some(function) => {
            let value = local_at("__value", function.span());
            quote_spanned!(value.span()=> |#value| #function(#value))
        }
        None => quote!(|_| true),
    }
}

/// A closure from the value to its TTL.
pub(super) fn ttl_rule(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    match &plan.policy.ttl {
        Some(TtlPlan::FromValue(ExprClosure { inputs, body, .. })) => {
            let into = into_ttl(body, paths);
            quote!(|#inputs| #into)
        }
        Some(ttl) => {
            let ttl = fixed_ttl(ttl, paths);
            quote!(|_| #ttl)
        }
        None => quote!(|_| #private::Ttl::For(::core::time::Duration::ZERO)),
    }
}

pub(super) fn fixed_ttl(ttl: &TtlPlan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    match ttl {
        TtlPlan::Class(_, variant) => {
            let variant = Ident::new(variant, Span::call_site());
            quote!(#private::Ttl::Class(#private::TtlClass::#variant))
        }
        TtlPlan::For(duration) => {
            let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            quote!(#private::Ttl::For(::core::time::Duration::from_millis(#millis)))
        }
        TtlPlan::Expression(expression) => into_ttl(expression, paths),
        // A closure is called with the value, never evaluated.
        TtlPlan::FromValue(_) => quote!(#private::Ttl::For(::core::time::Duration::ZERO)),
    }
}

pub(super) fn into_ttl(expression: &Expr, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private_at(expression.span());
    quote_spanned!(expression.span()=> #private::ttl(#expression))
}

/// `value`, with the names that patterns bind where `expression` mentions them.
pub(super) fn seeing_patterns(plan: &Plan, value: TokenStream, expression: Option<&Expr>) -> TokenStream {
    let Some(expression) = expression else { return value };
    let tokens = expression.to_token_stream();
    let mentioned = plan.arguments.iter().enumerate().filter(|(_, argument)| {
        argument.pattern.is_some() && argument.names.iter().any(|name| mentions(tokens.clone(), name))
    });
    let mut bindings = bindings(plan, mentioned.map(|(index, _)| index)).peekable();
    if bindings.peek().is_none() {
        return value;
    }
    quote!({ #(#bindings)* #value })
}

/// What `entry` needs to know for `insert_with`.
pub(super) fn entry_rules(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    let mentions_argument = |tokens: &TokenStream| {
        plan.arguments.iter().flat_map(|argument| &argument.names).any(|name| mentions(tokens.clone(), name))
    };
    let judge = plan.policy.cache_if.as_ref().map(|judge| judge.to_token_stream());
    let judge = judge.filter(|judge| !mentions_argument(judge));
    match (&plan.policy.ttl, judge) {
        (Some(ttl @ (TtlPlan::Class(..) | TtlPlan::For(_) | TtlPlan::Expression(_))), None) => {
            let expression = match ttl {
                TtlPlan::Expression(expression) => Some(expression),
                _ => None,
            };
            let ttl = owned(plan, fixed_ttl(ttl, paths), expression.into_iter());
            quote!(#private::EntryRules::Fixed(#ttl))
        }
        (_, judge) => {
            let shape = shape(plan, &private);
            let ttl = match &plan.policy.ttl {
                // Before the closure, which outlives the arguments.
                Some(ttl @ TtlPlan::Expression(expression)) => {
                    let ttl = owned(plan, fixed_ttl(ttl, paths), Some(expression).into_iter());
                    let ttl_name = local("__ttl");
                    quote!({ let #ttl_name = #ttl; move |_| #ttl_name })
                }
                _ => ttl_rule(plan, paths),
            };
            let cache_if = match judge {
                Some(_) => cache_if(plan),
                None => quote!(|_| true),
            };
            let shape_name = local("__shape");
            quote!({
                let #shape_name = #shape;
                #private::entry_rules(#shape_name, #private::rules(#shape_name, #ttl, #cache_if))
            })
        }
    }
}

/// `value`, where `expression` sees the arguments as the function does: those that it takes by value are copied or
/// cloned, if they can be.
pub(super) fn owned<'a>(
    plan: &Plan,
    value: TokenStream,
    mut expressions: impl Iterator<Item = &'a Expr>,
) -> TokenStream {
    let Some(expression) = expressions.next() else { return value };
    let tokens = expression.to_token_stream();
    let by_value = |argument: &&Argument| {
        argument.pattern.is_none()
            && !matches!(argument.ty, Type::Reference(_))
            && mentions(tokens.clone(), &argument.ident)
    };
    let names: Vec<_> = plan.arguments.iter().filter(by_value).map(|argument| &argument.ident).collect();
    if names.is_empty() {
        return value;
    }
    quote!({
        #[allow(unused_imports)]
        use ::std::borrow::ToOwned as _;
        #(let #names = #names.to_owned();)*
        #value
    })
}
