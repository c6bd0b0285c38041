//! The function itself: a key, a descriptor and one call into the runtime.

use std::{collections::BTreeSet, time::Duration};

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, TokenStreamExt as _, quote, quote_spanned};
use syn::{
    Expr, ExprCall, ExprClosure, ExprMethodCall, GenericParam, Ident, ReceiverKind, Type,
    spanned::Spanned as _,
};

use super::{
    batch,
    companion::{self, body, key_generics, turbofish},
    key::{bindings, pieces},
    paths::{Paths, at, local, local_at},
};
use crate::{
    model::{
        Plan,
        detach::Detach,
        function::{Companion, Form, mentions},
        key::KeyPlan,
        mode::{MadeTarget, Mode, TargetPlan, TextKind, TextTarget},
        output,
        policy::TtlPlan,
    },
    parse::target::Target,
};

pub(super) fn function(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let visibility = &plan.function.visibility;
    let attributes = plan.function.attributes.iter().map(companion::allowed);
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
fn call(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    let [cache_name, site_name, shape_name, key_name, bypass_name, rules_name, late_name] =
        ["__cache", "__site", "__shape", "__key", "__bypass", "__rules", "__late"].map(local);
    let cache = seeing_patterns(plan, cache(plan, paths), plan.cache.as_ref());
    let site = match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__site()),
        Companion::Methods { site, .. } => quote!(Self::#site()),
        Companion::None => {
            let site = site(plan, paths);
            quote!({ #site })
        }
    };
    let shape = shape(plan, &private);
    let bypass = match &plan.bypass_if {
        Some(bypass_if) => {
            let bypass_name = local_at("__bypass", bypass_if.span());
            quote_spanned!(bypass_if.span()=> let #bypass_name: ::core::primitive::bool = #bypass_if;)
        }
        None => quote!(let #bypass_name = false;),
    };
    let patterns = bindings(plan, 0..plan.arguments.len());
    let start = quote! {
        let #cache_name = #cache;
        let #site_name: &'static #private::Site = #site;
        let #shape_name = #shape;
    };
    if let Some(batch) = &plan.batch {
        let call = batch::call(plan, paths, batch);
        return quote! {
            let #cache_name = #cache;
            let #site_name: &'static #private::Site = #site;
            #[allow(unused_qualifications)]
            let #bypass_name = {
                #(#patterns)*
                #bypass
                #bypass_name
            };
            #call
        };
    }
    let key = plan.key.as_ref().map(|key| own_key(plan, paths, key));
    let body = body(plan);
    let rules = rules(plan, paths, "rules");
    // The span lets a result that cannot be cached be shown on its own tokens.
    let span = output::value(&plan.output).span();
    match &plan.mode {
        Mode::Read => {
            let [shape_here, launch_here] = ["__cache_shape", "__cache_launch"].map(|name| shown(name, span));
            let [body_name, call_name, launch_name] = ["__body", "__call", "__launch"].map(local);
            // The body is made before a name of ours is in scope.
            let local_hit = (plan.policy.local != Some(None)).then(|| local_hit(paths, span));
            let tagged = own_tags(plan, paths).map(|tags| {
                quote! {
                    #[allow(unused_qualifications)]
                    let #call_name = #call_name.tagged(#tags);
                }
            });
            let body = match plan.detach {
                Detach::No => quote! {
                    let #body_name = #body;
                    let #body_name = || #body_name;
                    let #launch_name = #private::Attached;
                },
                Detach::Probe | Detach::Yes => detached(plan, &private),
            };
            let read = quote_spanned! {span=>
                let #shape_here = #shape_name;
                let #launch_here = #launch_name;
                #launch_here.read(#call_name, #shape_here, #rules_name, #body_name).await
            };
            // The key is looked up where it was written: to move what was written a moment ago takes as long as a look-up.
            quote! {
                #start
                let mut #key_name = #private::key(&#cache_name);
                #private::namespace(&mut #key_name, &#cache_name);
                #[allow(unused_qualifications)]
                let #bypass_name = {
                    #(#patterns)*
                    #bypass
                    #key
                    #bypass_name
                };
                #local_hit
                let #call_name = #private::call(&#cache_name, #site_name, #key_name, #bypass_name);
                #tagged
                #rules
                #body
                #read
            }
        }
        Mode::WriteThrough { .. } | Mode::Invalidate => {
            let [write_name, tags_name, targets_name, output_name] =
                ["__write", "__tags", "__targets", "__output"].map(local);
            let output = &plan.output;
            let own = match &key {
                Some(key) => quote!(::core::option::Option::Some({
                    let mut #key_name = #private::key(&#cache_name);
                    #private::namespace(&mut #key_name, &#cache_name);
                    #key
                    #key_name
                })),
                None => quote!(::core::option::Option::None),
            };
            let targets = early_targets(plan, paths);
            let tags = own_tags(plan, paths).unwrap_or_else(|| quote!(::std::vec::Vec::new()));
            let (argument, rules, finish) = match &plan.mode {
                Mode::WriteThrough { value: None } => {
                    let (here, shown) = (paths.private_at(span), shown("__cache_shape", span));
                    let finish = quote_spanned! {span=>
                        let #shown = #shape_name;
                        #here::finish_storing(#write_name, #shown, #rules_name, #output_name, #late_name).await
                    };
                    (None, rules, finish)
                }
                mode => {
                    let argument = match mode {
                        Mode::WriteThrough { value: Some(value) } => Some(store_argument(plan, paths, value)),
                        _ => None,
                    };
                    let finish = quote!(#write_name.finish(#shape_name, #output_name, #late_name).await);
                    (argument, TokenStream::new(), finish)
                }
            };
            let late = late_targets(plan, paths);
            quote! {
                #start
                #[allow(unused_qualifications)]
                let (#key_name, #tags_name, #targets_name, #bypass_name) = {
                    #(#patterns)*
                    #bypass
                    (#own, #tags, #targets, #bypass_name)
                };
                #rules
                let mut #write_name =
                    #private::write(&#cache_name, #site_name, #key_name, #tags_name, #targets_name, #bypass_name).await;
                #argument
                let #output_name: #output = #write_name.run(#body).await;
                #late
                #finish
            }
        }
    }
}

/// A body that may outlive the caller: a closure that takes the arguments, and makes those owned that are references.
fn detached(plan: &Plan, private: &TokenStream) -> TokenStream {
    let [body, launch, this] = ["__body", "__launch", "__self"].map(local);
    let references: Vec<(&Ident, Ident, Ident)> = plan
        .arguments
        .iter()
        .enumerate()
        .filter(|(_, argument)| matches!(argument.ty, Type::Reference(_)))
        .map(|(index, argument)| {
            (&argument.ident, local(&format!("__kind{index}")), local(&format!("__held{index}")))
        })
        .collect();
    let kinds = references.iter().map(|(argument, kind, _)| match plan.detach {
        Detach::Yes => quote!(let #kind = #private::Cloned;),
        Detach::Probe | Detach::No => quote! {
            let #kind = {
                #[allow(unused_imports)]
                use #private::{ArgCloned as _, ArgKept as _};
                (&&#private::Arg::new(#argument)).kind()
            };
        },
    });
    let take = references.iter().map(|(argument, kind, held)| quote!(let #held = #kind.take(#argument);));
    let arguments = plan.arguments.iter().map(|argument| {
        let held = references.iter().find(|(ident, ..)| **ident == argument.ident);
        match held {
            Some((_, _, held)) => quote!(#held.get()),
            None => argument.ident.to_token_stream(),
        }
    });
    let turbofish = turbofish(&plan.function.signature.generics);
    let receiver = plan.function.signature.receiver();
    let (own, call) = match &plan.companion {
        Companion::Methods { uncached, .. } => {
            let own = match receiver {
                Some(receiver) if matches!(receiver.kind, ReceiverKind::Reference(..)) => {
                    let own = receiver.self_token;
                    quote_spanned!(own.span()=> let #this = <Self as ::core::clone::Clone>::clone(self);)
                }
                _ => quote!(let #this = self;),
            };
            (own, quote!(#this.#uncached #turbofish))
        }
        Companion::Type(name) => (TokenStream::new(), quote!(<#name>::uncached #turbofish)),
        Companion::None => unreachable!("what has no companion is not detached"),
    };
    let how = local("__how");
    let how = match plan.detach {
        Detach::Yes => quote!(#private::Detached),
        Detach::Probe | Detach::No => {
            let kinds = references.iter().map(|(_, kind, _)| kind);
            // Never called. The compiler knows only of another function's future whether it is `Send`, not of one that
            // is made in the function which it is looking at.
            let nothing = plan.arguments.iter().map(|_| quote!(::core::unreachable!()));
            quote!({
                #[allow(unused_imports)]
                use #private::{LaunchAttached as _, LaunchDetached as _};
                #[allow(unreachable_code, clippy::diverging_sub_expression)]
                let #how = #private::Launch::of(|| #call (#(#nothing),*), (#(#kinds,)*));
                (&&#how).launch()
            })
        }
    };
    quote! {
        #(#kinds)*
        let #body = move || {
            #own
            #(#take)*
            #private::carried(async move { #call (#(#arguments),*).await })
        };
        let #launch = #how;
    }
}

/// A name as if the user had written it at `span`: what is wrong with it is shown once, and there.
pub(super) fn shown(name: &str, span: Span) -> Ident {
    Ident::new(name, span)
}

/// Writes the function's own key into `__key`.
fn own_key(plan: &Plan, paths: &Paths<'_>, key: &KeyPlan) -> TokenStream {
    let writer = local("__key");
    let arguments = companion::needed(plan);
    let arguments = arguments.iter().map(|index| &plan.arguments[*index].ident);
    let turbofish = turbofish(&key_generics(plan));
    match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__key #turbofish (&mut #writer, #(&#arguments),*);),
        Companion::Methods { key, .. } => quote!(self.#key #turbofish (&mut #writer, #(&#arguments),*);),
        Companion::None => pieces(plan, paths, key, &writer, None, plan.version),
    }
}

/// The tags of the function's own entry, where it has some.
fn own_tags(plan: &Plan, paths: &Paths<'_>) -> Option<TokenStream> {
    if plan.tags.is_empty() {
        return None;
    }
    let cache = local("__cache");
    let needed = companion::needed(plan);
    let arguments = needed.iter().map(|index| &plan.arguments[*index].ident);
    let turbofish = turbofish(&key_generics(plan));
    Some(match &plan.companion {
        Companion::Type(name) => quote!(<#name>::__tags #turbofish (&#cache, #(&#arguments),*)),
        Companion::Methods { tags, .. } => quote!(self.#tags #turbofish (&#cache, #(&#arguments),*)),
        Companion::None => {
            let patterns =
                bindings(plan, plan.tags.iter().flat_map(KeyPlan::arguments).collect::<BTreeSet<_>>());
            let tags = tags(plan, paths, &quote!(&#cache));
            quote!({ #(#patterns)* #tags })
        }
    })
}

/// A list of writers, each with a tag. `cache`: a reference.
pub(super) fn tags(plan: &Plan, paths: &Paths<'_>, cache: &TokenStream) -> TokenStream {
    let (writer, private) = (local("__tag"), paths.private());
    let tags = plan.tags.iter().map(|tag| {
        let pieces = pieces(plan, paths, tag, &writer, None, 0);
        quote!({
            let mut #writer = #private::tag_key(#cache);
            #pieces
            #writer
        })
    });
    list(tags)
}

/// A `Vec`, without the macro that the user may have shadowed.
fn list(elements: impl Iterator<Item = TokenStream>) -> TokenStream {
    let mut elements = elements.peekable();
    if elements.peek().is_none() {
        return quote!(::std::vec::Vec::new());
    }
    quote!(<[_]>::into_vec(::std::boxed::Box::new([#(#elements),*])))
}

/// What the process holds is the result at once, before anything is moved. `span`: where a result that cannot be cached
/// is shown, once for this and for the read.
fn local_hit(paths: &Paths<'_>, span: Span) -> TokenStream {
    let [cache, site, key, bypass, shape, hit] =
        ["__cache", "__site", "__key", "__bypass", "__shape", "__hit"].map(local);
    let (shape_here, private) = (shown("__cache_shape", span), paths.private_at(span));
    let found = quote_spanned!(span=> #private::local(&#cache, #site, &#key, #bypass, #shape_here));
    quote! {
        let #shape_here = #shape;
        if let ::core::option::Option::Some(#hit) = #found {
            return #hit;
        }
    }
}

/// The descriptor of the function, and its place in the registry.
pub(super) fn site(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private();
    let name = plan.name().to_string();
    let function = quote!(::core::concat!(::core::module_path!(), "::", #name));
    let template = plan.key.as_ref().map_or("", |key| &key.template);
    let class = plan.policy.class();
    let options = site_options(plan, paths);
    let version = plan.version;
    let output = match registered_output(plan) {
        Some(output) => quote!(::core::option::Option::Some(|| ::core::any::type_name::<#output>())),
        None => quote!(::core::option::Option::None),
    };
    let (tag_targets, targets): (Vec<_>, Vec<_>) =
        plan.targets.iter().filter_map(TargetPlan::text).partition(|target| target.kind == TextKind::Tag);
    let [tag_targets, targets] = [tag_targets, targets].map(|targets| {
        let templates = targets.iter().map(|target| &target.text.template);
        quote!(&[#(#templates),*])
    });
    let tags = tag_templates(plan);
    quote! {
        static __SITE: #private::Site = #private::Site::new(#private::SiteConfig {
            function: #function,
            template: #template,
            ttl_class: #class,
            #options
            ..#private::SiteConfig::NEW
        });
        #private::inventory::submit! {
            #private::Registration::new(#function, #template, #version, #output, #targets, #tags, #tag_targets)
        }
        &__SITE
    }
}

/// The templates of the tags.
fn tag_templates(plan: &Plan) -> TokenStream {
    let tags = plan.tags.iter().map(|tag| &tag.template);
    quote!(&[#(#tags),*])
}

/// The fields of a site's configuration that are not as usual.
fn site_options(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    let policy = &plan.policy;
    let duration = |duration: Duration| {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        quote!(::core::time::Duration::from_millis(#millis))
    };
    let some = |tokens: TokenStream| quote!(::core::option::Option::Some(#tokens));
    let private = paths.private();
    let local = |local: Option<Duration>| match local.map(duration) {
        Some(local) => quote!(#private::LocalTtl::For(#local)),
        None => quote!(#private::LocalTtl::Off),
    };
    let tags_in_key = plan.key.as_ref().is_some_and(|key| plan.tags.iter().all(|tag| tag.follows_from(key)));
    let fields = [
        ("version", (plan.version != 0).then(|| plan.version.to_token_stream())),
        ("jitter", policy.jitter.map(|jitter| jitter.to_token_stream())),
        ("negative_ttl", policy.negative_ttl.as_ref().map(|ttl| some(fixed_ttl(ttl, paths)))),
        ("stale_while_revalidate", policy.stale_while_revalidate.map(duration)),
        ("stale_if_error", policy.stale_if_error.map(duration)),
        ("early_refresh", policy.early_refresh.map(|beta| beta.to_token_stream())),
        ("load_timeout", policy.load_timeout.map(|timeout| some(duration(timeout)))),
        ("settle", policy.settle.map(duration)),
        ("strict", policy.strict.then(|| quote!(true))),
        ("local", policy.local.map(local)),
        ("tags", (!plan.tags.is_empty()).then(|| tag_templates(plan))),
        ("tags_in_key", (!plan.tags.is_empty()).then(|| tags_in_key.to_token_stream())),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| {
        let (name, value) = (Ident::new(name, Span::call_site()), value?);
        Some(quote!(#name: #value,))
    });
    fields.collect()
}

/// The result, where a static can name it: no parameter, and nothing of an `impl` around the function.
fn registered_output(plan: &Plan) -> Option<&Type> {
    let signature = &plan.function.signature;
    // Of a batch the values have a type, the result is another one.
    let in_impl =
        signature.receiver().is_some() || matches!(plan.companion, Companion::None) || plan.batch.is_some();
    let tokens = plan.output.to_token_stream();
    let lifetimes = tokens.to_string().contains('\'');
    let generic = signature.generics.params.iter().any(|parameter| match parameter {
        GenericParam::Lifetime(_) => false,
        GenericParam::Type(parameter) => mentions(tokens.clone(), &parameter.ident),
        GenericParam::Const(parameter) => mentions(tokens.clone(), &parameter.ident),
    });
    (!in_impl && !lifetimes && !generic).then_some(&plan.output)
}

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

/// `value`, with the names that patterns bind where `expression` mentions them.
fn seeing_patterns(plan: &Plan, value: TokenStream, expression: Option<&Expr>) -> TokenStream {
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

fn into_ttl(expression: &Expr, paths: &Paths<'_>) -> TokenStream {
    let private = paths.private_at(expression.span());
    quote_spanned!(expression.span()=> #private::ttl(#expression))
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

/// The argument that is stored when the body succeeds, encoded before the body consumes it.
fn store_argument(plan: &Plan, paths: &Paths<'_>, value: &Ident) -> TokenStream {
    let write = local("__write");
    let ttl = ttl_rule(plan, paths);
    let cache_if = cache_if(plan);
    let patterns = bindings(plan, 0..plan.arguments.len());
    let reference = plan.arguments.iter().any(|argument| {
        argument.pattern.is_some() && argument.names.contains(value)
            || argument.ident == *value && matches!(argument.ty, Type::Reference(_))
    });
    let argument = plan.arguments.iter().find(|argument| argument.names.contains(value));
    let span = argument.map_or_else(|| value.span(), |argument| argument.ty.span());
    let private = paths.private_at(span);
    let value = at(value.to_token_stream(), span);
    let value = if reference { value } else { quote_spanned!(span=> &#value) };
    let argument = quote_spanned!(span=> #private::store_argument);
    quote!({
        #(#patterns)*
        #argument(&mut #write, #value, #ttl, #cache_if);
    })
}

/// Targets that are known before the body.
fn early_targets(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
    list(plan.targets.iter().filter_map(|target| match target {
        TargetPlan::Text(text) => Some(text_target(plan, paths, text, None)),
        TargetPlan::Entry(target) => Some(entry_target(paths, target)),
        TargetPlan::TextOfResult(_) | TargetPlan::Made(..) => None,
    }))
}

/// Targets that need the result.
fn late_targets(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
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
fn late_patterns(plan: &Plan) -> Vec<usize> {
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

fn text_target(plan: &Plan, paths: &Paths<'_>, target: &TextTarget, made: Option<&Ident>) -> TokenStream {
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
fn entry_target(paths: &Paths<'_>, target: &Target) -> TokenStream {
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
fn by_reference(argument: &Expr) -> TokenStream {
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
