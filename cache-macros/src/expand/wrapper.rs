//! The function itself: a key, a descriptor and one call into the runtime.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Expr, ExprCall, ExprClosure, ExprMethodCall, GenericParam, Ident, Type, spanned::Spanned as _};

use super::{
    companion::{self, body, key_generics, turbofish},
    key::{bindings, pieces},
    paths::{Paths, local},
};
use crate::{
    model::{
        Plan,
        function::{Companion, Form, mentions},
        key::KeyPlan,
        mode::{MadeTarget, Mode, TargetPlan},
        output,
        policy::TtlPlan,
    },
    parse::target::Target,
};

pub(super) fn function(plan: &Plan, paths: &Paths) -> TokenStream {
    let visibility = &plan.function.visibility;
    let attributes = plan.function.attributes.iter().filter(|attribute| !attribute.path().is_ident("expect"));
    let documentation = documentation(plan);
    let signature = companion::wrapper_signature(plan);
    let call = call(plan, paths);
    let block = match plan.form {
        Form::AsyncFn => quote!({ #call }),
        Form::ImplFuture => quote!({ async move { #call } }),
        Form::Boxed => quote!({ ::std::boxed::Box::pin(async move { #call }) }),
    };
    quote! {
        #(#attributes)*
        #documentation
        #visibility #signature #block
    }
}

/// A section for the documentation of a function that has some.
fn documentation(plan: &Plan) -> Option<TokenStream> {
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

/// The statements of the wrapper; the last is its value.
fn call(plan: &Plan, paths: &Paths) -> TokenStream {
    let private = paths.private();
    let [cache_name, site_name, shape_name, key_name, bypass_name, rules_name, late_name] =
        ["__cache", "__site", "__shape", "__key", "__bypass", "__rules", "__late"].map(local);
    let cache = cache(plan, &private);
    let site = match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__site()),
        Companion::Methods { site, .. } => quote!(Self::#site()),
        Companion::None => {
            let site = site(plan, paths);
            quote!({ #site })
        }
    };
    let shape = shape(plan, &private);
    let key = plan.key.as_ref().map(|key| own_key(plan, &private, key));
    let bypass = match &plan.bypass_if {
        Some(bypass_if) => quote!(let #bypass_name: bool = #bypass_if;),
        None => quote!(let #bypass_name = false;),
    };
    let patterns = bindings(plan, 0..plan.arguments.len());
    let start = quote! {
        let #cache_name = #cache;
        let #site_name: &'static #private::Site = #site;
        let #shape_name = #shape;
    };
    let body = body(plan);
    let rules = rules(plan, &private);
    // The span lets a result that cannot be cached be shown on its own tokens.
    let span = output::value(&plan.output).span();
    match &plan.mode {
        Mode::Read => {
            let read = quote_spanned!(span=> #private::read);
            quote! {
                #start
                let (#key_name, #bypass_name) = {
                    #(#patterns)*
                    #bypass
                    (#key, #bypass_name)
                };
                #rules
                #read(
                    #private::call(&#cache_name, #site_name, #key_name, #bypass_name),
                    #shape_name,
                    #rules_name,
                    #body,
                )
                .await
            }
        }
        Mode::WriteThrough { .. } | Mode::Invalidate => {
            let [write_name, targets_name, output_name] = ["__write", "__targets", "__output"].map(local);
            let output = &plan.output;
            let own = match &key {
                Some(key) => quote!(::core::option::Option::Some(#key)),
                None => quote!(::core::option::Option::None),
            };
            let targets = early_targets(plan, &private);
            let (argument, rules, finish) = match &plan.mode {
                Mode::WriteThrough { value: None } => {
                    let finish = quote_spanned!(span=> #private::finish_storing);
                    (
                        None,
                        rules,
                        quote!(#finish(#write_name, #shape_name, #rules_name, #output_name, #late_name).await),
                    )
                }
                mode => {
                    let argument = match mode {
                        Mode::WriteThrough { value: Some(value) } => {
                            Some(store_argument(plan, &private, value))
                        }
                        _ => None,
                    };
                    let finish = quote!(#write_name.finish(#shape_name, #output_name, #late_name).await);
                    (argument, TokenStream::new(), finish)
                }
            };
            let late = late_targets(plan, &private);
            quote! {
                #start
                let (#key_name, #targets_name, #bypass_name) = {
                    #(#patterns)*
                    #bypass
                    (#own, #targets, #bypass_name)
                };
                #rules
                let mut #write_name = #private::write(&#cache_name, #site_name, #key_name, #targets_name, #bypass_name).await;
                #argument
                let #output_name: #output = #write_name.run(#body).await;
                #late
                #finish
            }
        }
    }
}

/// The writer with the function's own key.
fn own_key(plan: &Plan, private: &TokenStream, key: &KeyPlan) -> TokenStream {
    let cache = local("__cache");
    let arguments = companion::needed(plan);
    let arguments = arguments.iter().map(|index| &plan.arguments[*index].ident);
    let turbofish = turbofish(&key_generics(plan));
    match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__key #turbofish (&#cache, #(&#arguments),*)),
        Companion::Methods { key, .. } => quote!(self.#key #turbofish (&#cache, #(&#arguments),*)),
        Companion::None => {
            let writer = local("__key");
            let pieces = pieces(plan, private, key, &writer, None, plan.version);
            quote!({
                let mut #writer = #private::key(&#cache);
                #pieces
                #writer
            })
        }
    }
}

/// The descriptor of the function, and its place in the registry.
pub(super) fn site(plan: &Plan, paths: &Paths) -> TokenStream {
    let private = paths.private();
    let name = plan.name().to_string();
    let function = quote!(::core::concat!(::core::module_path!(), "::", #name));
    let template = plan.key.as_ref().map_or("", |key| &key.template);
    let class = plan.policy.class();
    let (version, jitter) = (plan.version, plan.policy.jitter);
    let negative_ttl = match &plan.policy.negative_ttl {
        Some(ttl) => {
            let ttl = fixed_ttl(ttl, &private);
            quote!(::core::option::Option::Some(#ttl))
        }
        None => quote!(::core::option::Option::None),
    };
    let output = match registered_output(plan) {
        Some(output) => quote!(::core::option::Option::Some(|| ::core::any::type_name::<#output>())),
        None => quote!(::core::option::Option::None),
    };
    let targets = plan.targets.iter().filter_map(|target| match target {
        TargetPlan::Text(key)
        | TargetPlan::TextOfResult(key)
        | TargetPlan::Made(_, MadeTarget::Text(key)) => Some(&key.template),
        TargetPlan::Entry(_) | TargetPlan::Made(_, MadeTarget::Entry(_)) => None,
    });
    quote! {
        static __SITE: #private::Site = #private::Site::new(#private::SiteConfig {
            function: #function,
            template: #template,
            ttl_class: #class,
            version: #version,
            jitter: #jitter,
            negative_ttl: #negative_ttl,
        });
        #private::inventory::submit! {
            #private::Registration::new(#function, #template, #version, #output, &[#(#targets),*])
        }
        &__SITE
    }
}

/// The result, where a static can name it: no parameter, and nothing of an `impl` around the function.
fn registered_output(plan: &Plan) -> Option<&Type> {
    let signature = &plan.function.signature;
    let in_impl = signature.receiver().is_some() || matches!(plan.companion, Companion::None);
    let tokens = plan.output.to_token_stream();
    let lifetimes = tokens.to_string().contains('\'');
    let generic = signature.generics.params.iter().any(|parameter| match parameter {
        GenericParam::Lifetime(_) => false,
        GenericParam::Type(parameter) => mentions(tokens.clone(), &parameter.ident),
        GenericParam::Const(parameter) => mentions(tokens.clone(), &parameter.ident),
    });
    (!in_impl && !lifetimes && !generic).then_some(&plan.output)
}

pub(super) fn cache(plan: &Plan, private: &TokenStream) -> TokenStream {
    match &plan.cache {
        Some(cache) => quote_spanned!(cache.span()=> #private::cache(&(#cache))),
        None => quote!(#private::current()),
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
        (&&&&&#private::Probe::<#output>::new()).shape()
    })
}

/// `let __rules = ..;`
fn rules(plan: &Plan, private: &TokenStream) -> TokenStream {
    let [rules, shape, ttl_name] = ["__rules", "__shape", "__ttl"].map(local);
    let cache_if = cache_if(plan);
    match &plan.policy.ttl {
        // Before the body, which may consume what the expression mentions.
        Some(TtlPlan::Expression(_)) => {
            let ttl = plan.policy.ttl.as_ref().map(|ttl| fixed_ttl(ttl, private));
            quote! {
                let #ttl_name = #ttl;
                let #rules = #private::rules(#shape, move |_| #ttl_name, #cache_if);
            }
        }
        _ => {
            let ttl = ttl_rule(plan, private);
            quote!(let #rules = #private::rules(#shape, #ttl, #cache_if);)
        }
    }
}

fn cache_if(plan: &Plan) -> TokenStream {
    match &plan.policy.cache_if {
        Some(cache_if) => cache_if.to_token_stream(),
        None => quote!(|_| true),
    }
}

/// A closure from the value to its TTL.
pub(super) fn ttl_rule(plan: &Plan, private: &TokenStream) -> TokenStream {
    match &plan.policy.ttl {
        Some(TtlPlan::FromValue(ExprClosure { inputs, body, .. })) => {
            let into = quote_spanned!(body.span()=> ::core::convert::Into::<#private::Ttl>::into);
            quote!(|#inputs| #into(#body))
        }
        Some(ttl) => {
            let ttl = fixed_ttl(ttl, private);
            quote!(|_| #ttl)
        }
        None => quote!(|_| #private::Ttl::For(::core::time::Duration::ZERO)),
    }
}

pub(super) fn fixed_ttl(ttl: &TtlPlan, private: &TokenStream) -> TokenStream {
    match ttl {
        TtlPlan::Class(_, variant) => {
            let variant = Ident::new(variant, proc_macro2::Span::call_site());
            quote!(#private::Ttl::Class(#private::TtlClass::#variant))
        }
        TtlPlan::For(duration) => {
            let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            quote!(#private::Ttl::For(::core::time::Duration::from_millis(#millis)))
        }
        TtlPlan::Expression(expression) => {
            quote_spanned!(expression.span()=> ::core::convert::Into::<#private::Ttl>::into(#expression))
        }
        // A closure is called with the value, never evaluated.
        TtlPlan::FromValue(_) => quote!(#private::Ttl::For(::core::time::Duration::ZERO)),
    }
}

/// The argument that is stored when the body succeeds, encoded before the body consumes it.
fn store_argument(plan: &Plan, private: &TokenStream, value: &Ident) -> TokenStream {
    let write = local("__write");
    let ttl = ttl_rule(plan, private);
    let cache_if = cache_if(plan);
    let patterns = bindings(plan, 0..plan.arguments.len());
    let reference = plan.arguments.iter().any(|argument| {
        argument.pattern.is_some() && argument.names.contains(value)
            || argument.ident == *value && matches!(argument.ty, Type::Reference(_))
    });
    let value = if reference { quote!(#value) } else { quote!(&#value) };
    let argument = quote_spanned!(value.span()=> #private::store_argument);
    quote!({
        #(#patterns)*
        #argument(&mut #write, #value, #ttl, #cache_if);
    })
}

/// Targets that are known before the body.
fn early_targets(plan: &Plan, private: &TokenStream) -> TokenStream {
    let targets: Vec<TokenStream> = plan
        .targets
        .iter()
        .filter_map(|target| match target {
            TargetPlan::Text(key) => Some(text_target(plan, private, key, None)),
            TargetPlan::Entry(target) => Some(entry_target(private, target)),
            TargetPlan::TextOfResult(_) | TargetPlan::Made(..) => None,
        })
        .collect();
    if targets.is_empty() {
        return quote!(::std::vec::Vec::new());
    }
    quote!(::std::vec::Vec::from([#(#targets),*]))
}

/// Targets that need the result.
fn late_targets(plan: &Plan, private: &TokenStream) -> TokenStream {
    let [late, shape, output, made] = ["__late", "__shape", "__output", "__made"].map(local);
    let targets: Vec<TokenStream> = plan
        .targets
        .iter()
        .filter_map(|target| match target {
            TargetPlan::Text(_) | TargetPlan::Entry(_) => None,
            TargetPlan::TextOfResult(key) => {
                let target = text_target(plan, private, key, Some(&made));
                // Arguments are gone by now; their placeholders were moved into the body.
                Some(quote!(#private::late(#shape, #made, |#made| #target)))
            }
            TargetPlan::Made(closure, inner) => {
                let inputs = &closure.inputs;
                let target = match inner {
                    MadeTarget::Text(key) => text_target(plan, private, key, None),
                    MadeTarget::Entry(target) => entry_target(private, target),
                };
                Some(quote!(#private::late(#shape, #made, |#inputs| #target)))
            }
        })
        .collect();
    if targets.is_empty() {
        return quote!(let #late = ::std::vec::Vec::new(););
    }
    quote! {
        let mut #late = ::std::vec::Vec::new();
        if let ::core::option::Option::Some(#made) = #private::made(#shape, &#output) {
            #(#late.push(#targets);)*
        }
    }
}

fn text_target(plan: &Plan, private: &TokenStream, key: &KeyPlan, made: Option<&Ident>) -> TokenStream {
    let (cache, writer) = (local("__cache"), local("__target"));
    let pieces = pieces(plan, private, key, &writer, made, 0);
    quote!({
        let mut #writer = #private::target_key();
        #pieces
        #private::string_target(&#cache, #writer)
    })
}

/// `get_user(id)` is `<get_user>::entry(&id)`, each token with the user's span.
fn entry_target(private: &TokenStream, target: &Target) -> TokenStream {
    let entry = match target {
        Target::Call(ExprCall { func, args, .. }) => {
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
            let args = args.iter().map(|arg| quote_spanned!(arg.span()=> &#arg));
            quote_spanned!(func.span()=> <#path>::entry #generics (#(#args),*))
        }
        Target::Method(ExprMethodCall { receiver, method, args, turbofish, .. }) => {
            let method = Ident::new(&format!("{method}_entry"), method.span());
            let args = args.iter().map(|arg| quote_spanned!(arg.span()=> &#arg));
            quote_spanned!(method.span()=> #receiver.#method #turbofish (#(#args),*))
        }
        Target::Text(_) | Target::Made(..) => TokenStream::new(),
    };
    quote!(#private::target(#entry))
}
