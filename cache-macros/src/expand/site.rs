//! The static description of the function, and its registration.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{GenericParam, Ident, Type};

use super::{paths::Paths, rules::fixed_ttl};
use crate::model::{
    Plan,
    function::{Companion, mentions},
    targets::{TargetPlan, TextKind},
};
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

/// The fields of a site's configuration that are not as usual.
pub(super) fn site_options(plan: &Plan, paths: &Paths<'_>) -> TokenStream {
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

/// The templates of the tags.
pub(super) fn tag_templates(plan: &Plan) -> TokenStream {
    let tags = plan.tags.iter().map(|tag| &tag.template);
    quote!(&[#(#tags),*])
}

/// The result, where a static can name it: no parameter, and nothing of an `impl` around the function.
pub(super) fn registered_output(plan: &Plan) -> Option<&Type> {
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
