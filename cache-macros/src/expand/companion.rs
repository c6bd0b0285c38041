//! What stands beside the function: `get_user::entry(..)`, `get_user::uncached(..)`.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{
    Attribute, Expr, FnArg, GenericParam, Generics, Ident, Meta, Pat, PatType, Signature, Token, Type,
    TypeParamBound, Visibility, WherePredicate, punctuated::Punctuated,
};

use super::{
    key::{bindings, borrowed, pieces},
    paths::{Paths, local},
    wrapper,
};
use crate::model::{
    Plan,
    function::{Argument, Companion, Form, is_name, mentions},
    key::{KeyPlan, Root},
    policy::TtlPlan,
};

pub(super) fn items(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let cfgs = cfgs(plan);
    let visibility = &plan.function.visibility;
    match &plan.companion {
        Companion::None => TokenStream::new(),
        Companion::Type(name) => {
            let uncached = uncached(plan, &Ident::new("uncached", name.span()));
            let entry = entry(
                plan,
                paths,
                &quote!(Self::__site()),
                &quote!(Self::__key),
                &quote!(Self::__tags),
                &Ident::new("entry", name.span()),
            );
            let key = key(plan, paths, &Ident::new("__key", name.span()));
            let tags = tags(plan, paths, &Ident::new("__tags", name.span()));
            let site = wrapper::site(plan, paths);
            let private = paths.private();
            // A module or another type of this name is shown beside the function's.
            let here = Span::call_site().located_at(name.span());
            let item = quote_spanned!(here=> struct #name {});
            quote! {
                #(#cfgs)*
                #[doc(hidden)]
                #[allow(non_camel_case_types, missing_debug_implementations, dead_code)]
                #visibility #item

                #(#cfgs)*
                #[doc(hidden)]
                #[allow(dead_code, missing_docs, unreachable_pub, non_camel_case_types)]
                impl #name {
                    #uncached
                    #entry
                    #key
                    #tags

                    fn __site() -> &'static #private::Site {
                        #site
                    }
                }
            }
        }
        Companion::Methods {
            entry: entry_name,
            uncached: uncached_name,
            key: key_name,
            tags: tags_name,
            site: site_name,
        } => {
            let uncached = uncached(plan, uncached_name);
            let entry = entry(
                plan,
                paths,
                &quote!(Self::#site_name()),
                &quote!(self.#key_name),
                &quote!(self.#tags_name),
                entry_name,
            );
            let key = key(plan, paths, key_name);
            let tags = tags(plan, paths, tags_name);
            let site = wrapper::site(plan, paths);
            let private = paths.private();
            quote! {
                #uncached
                #entry
                #key
                #tags

                #(#cfgs)*
                #[doc(hidden)]
                #[allow(dead_code)]
                fn #site_name() -> &'static #private::Site {
                    #site
                }
            }
        }
    }
}

/// Where the companion's type is private, its functions need not be: one message about the type is enough.
fn visibility(plan: &Plan) -> TokenStream {
    match (&plan.companion, &plan.function.visibility) {
        (Companion::Type(_), Visibility::Inherited) => quote!(pub(crate)),
        (_, visibility) => visibility.to_token_stream(),
    }
}

/// `#[cfg]`s of the function, for every item beside it.
pub(super) fn cfgs(plan: &Plan) -> Vec<TokenStream> {
    let attributes = plan.function.attributes.iter();
    attributes
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .map(|attribute| attribute.to_token_stream())
        .collect()
}

/// The body itself, under another name.
fn uncached(plan: &Plan, name: &Ident) -> TokenStream {
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

/// The body; what the attribute alone uses counts as used.
fn with_uses(plan: &Plan) -> TokenStream {
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
fn parameters(plan: &Plan, indices: &BTreeSet<usize>) -> Vec<TokenStream> {
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

/// The generics that some tokens, the key and the tags mention, with the bounds that concern them only.
fn generics_of(plan: &Plan, tokens: &TokenStream) -> Generics {
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

fn ident_of(parameter: &GenericParam) -> &Ident {
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

fn self_parameter(plan: &Plan) -> Option<TokenStream> {
    matches!(plan.companion, Companion::Methods { .. }).then(|| quote!(&self,))
}

fn entry(
    plan: &Plan,
    paths: &Paths<'_>,
    site: &TokenStream,
    key: &TokenStream,
    tags: &TokenStream,
    name: &Ident,
) -> Option<TokenStream> {
    plan.key.as_ref().filter(|_| plan.batch.is_none())?;
    let private = paths.private();
    let indices = needed(plan);
    let parameters = parameters(plan, &indices);
    let output = &plan.output;
    let generics = generics_of(plan, &quote!(#(#parameters),* #output));
    let where_clause = &generics.where_clause;
    let key_turbofish = turbofish(&key_generics(plan));
    let receiver = self_parameter(plan);
    let arguments: Vec<_> = indices.iter().map(|index| &plan.arguments[*index].ident).collect();
    let (rules, cache_name) = (entry_rules(plan, paths), local("__cache"));
    let writer = local("__key");
    let key = quote!({
        let mut #writer = #private::key(&#cache_name);
        #private::namespace(&mut #writer, &#cache_name);
        #key #key_turbofish (&mut #writer, #(#arguments),*);
        #writer
    });
    let tags = match plan.tags.is_empty() {
        true => quote!(::std::vec::Vec::new()),
        false => quote!(#tags #key_turbofish (&#cache_name, #(#arguments),*)),
    };
    let bindings = bindings(plan, indices.iter().copied());
    let cfgs = cfgs(plan);
    let visibility = visibility(plan);
    let cache = owned(plan, wrapper::cache(plan, paths), plan.cache.iter());
    Some(quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]
        #visibility fn #name #generics (#receiver #(#parameters),*) -> #private::Entry<#output> #where_clause {
            #(#bindings)*
            let #cache_name = #cache;
            #private::entry(&#cache_name, #site, #key, #tags, #rules)
        }
    })
}

/// `value`, where `expression` sees the arguments as the function does: those that it takes by value are copied or
/// cloned, if they can be.
fn owned<'a>(
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

/// What `entry` needs to know for `insert_with`.
fn entry_rules(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    let mentions_argument = |tokens: &TokenStream| {
        plan.arguments.iter().flat_map(|argument| &argument.names).any(|name| mentions(tokens.clone(), name))
    };
    let cache_if = plan.policy.cache_if.as_ref().map(|cache_if| cache_if.to_token_stream());
    let cache_if = cache_if.filter(|cache_if| !mentions_argument(cache_if));
    match (&plan.policy.ttl, cache_if) {
        (Some(ttl @ (TtlPlan::Class(..) | TtlPlan::For(_) | TtlPlan::Expression(_))), None) => {
            let expression = match ttl {
                TtlPlan::Expression(expression) => Some(expression),
                _ => None,
            };
            let ttl = owned(plan, wrapper::fixed_ttl(ttl, paths), expression.into_iter());
            quote!(#private::EntryRules::Fixed(#ttl))
        }
        (_, cache_if) => {
            let shape = wrapper::shape(plan, &private);
            let ttl = match &plan.policy.ttl {
                // Before the closure, which outlives the arguments.
                Some(ttl @ TtlPlan::Expression(expression)) => {
                    let ttl = owned(plan, wrapper::fixed_ttl(ttl, paths), Some(expression).into_iter());
                    let ttl_name = local("__ttl");
                    quote!({ let #ttl_name = #ttl; move |_| #ttl_name })
                }
                _ => wrapper::ttl_rule(plan, paths),
            };
            let cache_if = match cache_if {
                Some(_) => wrapper::cache_if(plan),
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

pub(super) fn key_generics(plan: &Plan) -> Generics {
    let parameters = parameters(plan, &needed(plan));
    generics_of(plan, &quote!(#(#parameters),*))
}

/// Writes the key: the one place where its parts are checked.
fn key(plan: &Plan, paths: &Paths<'_>, name: &Ident) -> Option<TokenStream> {
    let key = plan.key.as_ref().filter(|_| plan.batch.is_none())?;
    let private = paths.private();
    let writer = local("__key");
    let pieces = pieces(plan, paths, key, &writer, None, plan.version);
    let parameter = quote!(mut #writer: &mut #private::KeyWriter);
    Some(writer_of(plan, name, &parameter, &quote!(()), &pieces))
}

/// Writes the tags, likewise.
fn tags(plan: &Plan, paths: &Paths<'_>, name: &Ident) -> Option<TokenStream> {
    if plan.tags.is_empty() || plan.batch.is_some() {
        return None;
    }
    let private = paths.private();
    let output = quote!(::std::vec::Vec<#private::KeyWriter>);
    let value = wrapper::tags(plan, paths, &local("__cache").to_token_stream());
    let cache = local("__cache");
    let parameter = quote!(#cache: &#private::Cache);
    Some(writer_of(plan, name, &parameter, &output, &value))
}

/// A function of the arguments that the key and the tags use.
fn writer_of(
    plan: &Plan,
    name: &Ident,
    first: &TokenStream,
    output: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let indices = needed(plan);
    let parameters = parameters(plan, &indices);
    let generics = key_generics(plan);
    let where_clause = &generics.where_clause;
    let bindings = bindings(plan, indices.iter().copied());
    let receiver = self_parameter(plan);
    let cfgs = cfgs(plan);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[inline]
        #[allow(dead_code, unused_variables, unused_qualifications, clippy::all, clippy::pedantic)]
        fn #name #generics (#receiver #first, #(#parameters),*) -> #output #where_clause {
            #(#bindings)*
            #value
        }
    }
}

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
fn inline(plan: &Plan) -> TokenStream {
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

/// The signature of the wrapper: patterns and `mut` make place for names.
pub(super) fn wrapper_signature(plan: &Plan) -> Signature {
    let mut signature = plan.function.signature.clone();
    let keep_mut = matches!(plan.companion, Companion::None) && plan.batch.is_none();
    rename(plan, &mut signature, keep_mut);
    signature
}

/// Where the body stays inline it needs the user's `mut`, and patterns are matched inside of it.
fn rename(plan: &Plan, signature: &mut Signature, keep_mut: bool) {
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

/// The arguments as they were written, `self` left out.
pub(super) fn typed(plan: &Plan) -> impl Iterator<Item = (&PatType, &Argument)> {
    let typed = plan.function.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    typed.zip(&plan.arguments)
}

/// `let (a, b) = __cache_arg0;` in front of an inline body.
fn moved_bindings(plan: &Plan) -> Vec<TokenStream> {
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
