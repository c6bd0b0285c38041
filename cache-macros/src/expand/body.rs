//! The body: under another name, or where it stands.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{Ident, Signature};

use super::{
    arguments::moved_bindings,
    generics::turbofish,
    item::{allowed, visibility},
    paths::local,
};
use crate::model::{
    Plan,
    function::{Companion, Form},
};
/// The body, as the wrapper calls it.
pub(super) fn body(plan: &Plan) -> TokenStream {
    let arguments = plan.arguments.iter().map(|argument| &argument.ident);
    let turbofish = turbofish(&plan.function.signature.generics);
    match &plan.companion {
        Companion::Type(name) => quote!(<#name>::uncached #turbofish (#(#arguments),*)),
        Companion::Methods { uncached, .. } => quote!(self.#uncached #turbofish (#(#arguments),*)),
        Companion::None => inline(plan),
    }
}

/// The body where it stands. In an `async` block a dead branch fixes the type, for `?` and boxed results.
pub(super) fn inline(plan: &Plan) -> TokenStream {
    let (body, output) = (&plan.body, &plan.output);
    let result = local("__result");
    let moved = moved_bindings(plan);
    match plan.form {
        Form::AsyncFn => quote! {
            async move {
                #[allow(unreachable_code, clippy::diverging_sub_expression)]
                if false {
                    let #result: #output = ::core::unreachable!();
                    return #result;
                }
                #(#moved)*
                #body
            }
        },
        Form::Boxed | Form::ImplFuture if moved.is_empty() => body.clone(),
        Form::Boxed | Form::ImplFuture => quote!({ #(#moved)* #body }),
    }
}

/// The body itself, under another name.
pub(super) fn uncached(plan: &Plan, name: &Ident) -> TokenStream {
    let lints = plan.function.attributes.iter().filter(|attribute| {
        ["cfg", "allow", "expect", "warn", "deny", "forbid"]
            .iter()
            .any(|lint| attribute.path().is_ident(lint))
    });
    let lints = lints.map(allowed);
    let visibility = visibility(plan);
    let signature = Signature { ident: name.clone(), ..plan.function.signature.clone() };
    let body = with_uses(plan);
    quote! {
        #(#lints)*
        #[doc(hidden)]
        #[allow(dead_code, missing_docs, unreachable_pub)]
        // What they say of the signature they say of the function itself.
        #[allow(clippy::too_many_arguments, clippy::type_complexity, clippy::extra_unused_type_parameters, clippy::unused_async)]
        #visibility #signature #body
    }
}

/// The body; what the attribute alone uses counts as used.
pub(super) fn with_uses(plan: &Plan) -> TokenStream {
    let Some(TokenTree::Group(body)) = plan.body.clone().into_iter().next() else {
        return plan.body.clone();
    };
    let mut first = body.stream().into_iter();
    if let (Some(TokenTree::Punct(hash)), Some(TokenTree::Punct(bang))) = (first.next(), first.next())
        && (hash.as_char(), bang.as_char()) == ('#', '!')
    {
        // Attributes of the body must come first.
        return plan.body.clone();
    }
    let names = plan.arguments.iter().flat_map(|argument| &argument.names);
    let mut uses = names.filter(|name| plan.uses(name)).map(|name| quote!(let _ = &#name;)).peekable();
    if uses.peek().is_none() {
        return plan.body.clone();
    }
    // In parentheses, or the compiler would call the braces of a body of one line needless.
    quote!({ #(#uses)* (#body) })
}
