//! Targets of an invalidation: known before the body, or from its result.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, TokenStreamExt as _, quote, quote_spanned};
use syn::{Expr, ExprCall, ExprClosure, ExprMethodCall, Ident, spanned::Spanned as _};

use super::{
    arguments::bindings,
    key::{list, pieces},
    paths::{Paths, local},
};
use crate::{
    model::{
        Plan,
        function::mentions,
        targets::{MadeTarget, TargetPlan, TextKind, TextTarget},
    },
    parse::target::Target,
};
/// Targets that are known before the body.
pub(super) fn early_targets(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    list(plan.targets.iter().filter_map(|target| match target {
        TargetPlan::Text(text) => Some(text_target(plan, paths, text, None)),
        TargetPlan::Entry(target) => Some(entry_target(paths, target)),
        TargetPlan::TextOfResult(_) | TargetPlan::Made(..) => None,
    }))
}

/// Targets that need the result.
pub(super) fn late_targets(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let [late, shape, output, made] = ["__late", "__shape", "__output", "__made"].map(local);
    let private = paths.private();
    let targets: Vec<TokenStream> = plan
        .targets
        .iter()
        .filter_map(|target| match target {
            TargetPlan::Text(_) | TargetPlan::Entry(_) => None,
            TargetPlan::TextOfResult(text) => {
                let target = text_target(plan, paths, text, Some(&made));
                // Arguments are gone by now; their placeholders were moved into the body.
                Some(quote!(#private::late(#shape, #made, |#made| #target)))
            }
            TargetPlan::Made(closure, inner) => {
                let ExprClosure { inputs_begin, inputs, inputs_end, .. } = closure;
                let target = match inner {
                    MadeTarget::Text(text) => text_target(plan, paths, text, None),
                    MadeTarget::Entry(target) => entry_target(paths, target),
                };
                Some(quote!(#private::late(#shape, #made, #inputs_begin #inputs #inputs_end #target)))
            }
        })
        .collect();
    if targets.is_empty() {
        return quote!(let #late = ::std::vec::Vec::new(););
    }
    let patterns = bindings(plan, late_patterns(plan));
    quote! {
        let mut #late = ::std::vec::Vec::new();
        if let ::core::option::Option::Some(#made) = #private::made(#shape, &#output) {
            #(#patterns)*
            #(#late.push(#targets);)*
        }
    }
}

/// The patterns that targets of the result name: what they bind was copied into the body, or the compiler objects.
pub(super) fn late_patterns(plan: &Plan) -> Vec<usize> {
    let late = |name: &Ident| {
        plan.targets.iter().any(|target| match target {
            TargetPlan::Text(_) | TargetPlan::Entry(_) => false,
            TargetPlan::TextOfResult(target) | TargetPlan::Made(_, MadeTarget::Text(target)) => {
                target.text.binds(name)
            }
            TargetPlan::Made(closure, MadeTarget::Entry(_)) => mentions(closure.body.to_token_stream(), name),
        })
    };
    let all = plan.arguments.iter().enumerate();
    all.filter(|(_, argument)| argument.pattern.is_some() && argument.names.iter().any(late))
        .map(|(index, _)| index)
        .collect()
}

pub(super) fn text_target(
    plan: &Plan,
    paths: &Paths<'_>,
    target: &TextTarget,
    made: Option<&Ident>,
) -> TokenStream {
    let (cache, writer, private) = (local("__cache"), local("__target"), paths.private());
    let pieces = pieces(plan, paths, &target.text, &writer, made, 0);
    let (begin, end) = match target.kind {
        TextKind::Key => (quote!(target_key()), quote!(string_target)),
        TextKind::Pattern => (quote!(target_key()), quote!(pattern_target)),
        TextKind::Tag => (quote!(tag_key(&#cache)), quote!(tag_target)),
    };
    quote!({
        let mut #writer = #private::#begin;
        #pieces
        #private::#end(&#cache, #writer)
    })
}

/// `get_user(id)` is `<get_user>::entry(&id)`, each token with the user's span.
pub(super) fn entry_target(paths: &Paths<'_>, target: &Target) -> TokenStream {
    let entry = match target {
        Target::Call(ExprCall { func, args, paren_token, .. }) => {
            let Expr::Path(path) = &**func else { return func.to_token_stream() };
            let mut path = path.path.clone();
            let generics = path.segments.last_mut().map(|last| std::mem::take(&mut last.arguments));
            let generics = generics.filter(|generics| !generics.is_empty()).map(|generics| match generics {
                syn::PathArguments::AngleBracketed(mut arguments) => {
                    arguments.colon2_token = Some(Default::default());
                    arguments.to_token_stream()
                }
                other => other.to_token_stream(),
            });
            let args = args.iter().map(by_reference);
            let mut call = quote_spanned!(func.span()=> <#path>::entry #generics);
            paren_token.surround(&mut call, |call| call.append_separated(args, <syn::Token![,]>::default()));
            call
        }
        Target::Method(ExprMethodCall { receiver, method, args, turbofish, paren_token, .. }) => {
            let method = Ident::new(&format!("{method}_entry"), method.span());
            let args = args.iter().map(by_reference);
            let mut call = quote_spanned!(method.span()=> #receiver.#method #turbofish);
            paren_token.surround(&mut call, |call| call.append_separated(args, <syn::Token![,]>::default()));
            call
        }
        Target::Text(_) | Target::Tag(..) | Target::Made(..) => TokenStream::new(),
    };
    let private = paths.private();
    quote!(#private::target(#entry))
}

/// `&id` for `id` and for `&id`, and `&(id + 1)`.
pub(super) fn by_reference(argument: &Expr) -> TokenStream {
    match argument {
        Expr::Reference(_) => argument.to_token_stream(),
        Expr::Path(_)
        | Expr::Lit(_)
        | Expr::Field(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Index(_)
        | Expr::Macro(_)
        | Expr::Paren(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Unary(_) => quote_spanned!(argument.span()=> &#argument),
        other => quote_spanned!(argument.span()=> &(#other)),
    }
}
