//! What kind of function it is, its arguments, and what stands beside it.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident};
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Ident, Pat, PatIdent, PathArguments, Signature, Type,
    Visibility,
};

use super::{key::KeyPlan, mode::Mode, skipped::Skipped, targets::TargetPlan};
use crate::{
    diag::Diagnostics,
    parse::{Spanned, function::Function},
};

/// How the function is asynchronous.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `async fn`
    AsyncFn,
    /// `fn .. -> Pin<Box<dyn Future<Output = R>>>`, as `#[async_trait]` makes it.
    Boxed,
    /// `fn .. -> impl Future<Output = R>`
    ImplFuture,
}

/// One argument, `self` left out.
pub(crate) struct Argument {
    /// What it is called in the wrapper: its own name, or one of ours for a pattern.
    pub(crate) ident: Ident,
    /// The names that it binds.
    pub(crate) names: Vec<Ident>,
    /// Whether the first name is that of the whole: `whole @ (a, b)`.
    pub(crate) binds_whole: bool,
    /// Where it is a pattern: that, with `mut` and `ref` taken off.
    pub(crate) pattern: Option<Pat>,
    pub(crate) ty: Type,
    /// As it was written, for carets.
    pub(crate) written: Pat,
    /// A pattern that `#[async_trait]` took into the body: the names in it are hidden.
    pub(crate) hidden: bool,
}

/// What stands beside the function.
#[derive(Clone)]
pub(crate) enum Companion {
    /// Nothing: the body stays where it is.
    None,
    /// A type of this name beside a free function.
    Type(Ident),
    /// Methods of these names beside an inherent method: `find_entry`, `find_uncached`.
    Methods { entry: Ident, uncached: Ident, key: Ident, tags: Ident, site: Ident },
}

impl Companion {
    pub(crate) fn new(function: &Function, option: Option<Spanned<Option<Ident>>>) -> Self {
        let signature = &function.signature;
        let base = match option {
            Some(option) => match option.value {
                Some(name) => name,
                None => return Self::None,
            },
            None => signature.ident.clone(),
        };
        if signature.receiver().is_some() {
            // Without a visibility it may be a method of a trait impl, which can hold no siblings.
            if matches!(function.visibility, Visibility::Inherited) {
                return Self::None;
            }
            return Self::Methods {
                entry: format_ident!("{base}_entry", span = signature.ident.span()),
                uncached: format_ident!("{base}_uncached", span = signature.ident.span()),
                key: format_ident!("__{base}_key"),
                tags: format_ident!("__{base}_tags"),
                site: format_ident!("__{base}_site"),
            };
        }
        // An associated function: its impl cannot hold a type. Only a function with items in it says `Self` otherwise.
        let says = |tokens: TokenStream, word: &str| mentions(tokens, &format_ident!("{word}"));
        let in_body = function.body.clone().unwrap_or_default();
        let in_impl = says(signature.to_token_stream(), "Self")
            || says(in_body.clone(), "Self")
                && !["impl", "trait", "struct", "enum"].iter().any(|item| says(in_body.clone(), item));
        if in_impl { Self::None } else { Self::Type(base) }
    }
}

/// Whether tokens hold an identifier, at any depth.
pub(crate) fn mentions(tokens: TokenStream, ident: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(found) => found == *ident,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), ident),
        proc_macro2::TokenTree::Punct(_) | proc_macro2::TokenTree::Literal(_) => false,
    })
}

/// The names of the type and const parameters.
pub(crate) fn parameter_names(generics: &Generics) -> impl Iterator<Item = &Ident> {
    generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Lifetime(_) => None,
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
    })
}

/// The arguments in order, `self` left out.
pub(crate) fn arguments(signature: &Signature, form: Option<Form>) -> Vec<Argument> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    typed
        .enumerate()
        .map(|(number, typed)| {
            let ours = || Ident::new(&format!("__cache_arg{number}"), proc_macro2::Span::call_site());
            let (ident, names, pattern) = match &*typed.pat {
                Pat::Ident(simple) if is_name(simple) => {
                    (simple.ident.clone(), vec![simple.ident.clone()], None)
                }
                Pat::Wild(_) => (ours(), Vec::new(), None),
                pattern => {
                    let mut pattern = pattern.clone();
                    let mut names = Vec::new();
                    bind_by_reference(&mut pattern, &mut names);
                    (ours(), names, Some(pattern))
                }
            };
            let hidden = form == Some(Form::Boxed) && ident.to_string().starts_with("__arg");
            Argument {
                ident,
                names,
                binds_whole: matches!(&pattern, Some(Pat::Ident(_))),
                pattern,
                ty: ungrouped(&typed.ty).clone(),
                written: (*typed.pat).clone(),
                hidden,
            }
        })
        .collect()
}

/// Names in a pattern cannot be used where `#[async_trait]` has taken the pattern into the body.
pub(crate) fn check_hidden(
    arguments: &[Argument],
    skipped: &Skipped,
    key: Option<&KeyPlan>,
    mode: &Option<Mode>,
    tags: &[KeyPlan],
    targets: &[TargetPlan],
    diagnostics: &mut Diagnostics,
) {
    let reads = matches!(mode, Some(Mode::Read));
    let searched = || {
        let targets = targets.iter().filter_map(TargetPlan::key);
        key.into_iter().chain(tags).chain(targets).any(|key| key.searched)
    };
    for (index, argument) in arguments.iter().enumerate() {
        if argument.hidden && !skipped.arguments.contains(&index) && (reads || searched()) {
            diagnostics.error_on(
                &argument.written,
                "`#[async_trait]` moves this pattern into the body, where the key cannot see its names",
                "name the argument, use a part of it as `<pair.0>`, and take it apart in the body",
            );
        }
    }
}

/// A name, perhaps with `mut`; everything else is a pattern.
pub(crate) fn is_name(pattern: &PatIdent) -> bool {
    pattern.subpat.is_none() && pattern.by_ref.is_none()
}

/// Takes `mut` and `ref` off a pattern, so that it binds references to what it is matched with.
fn bind_by_reference(pattern: &mut Pat, names: &mut Vec<Ident>) {
    match pattern {
        Pat::Ident(ident) => {
            ident.by_ref = None;
            ident.mutability = None;
            names.push(ident.ident.clone());
            if let Some((_, inner)) = &mut ident.subpat {
                bind_by_reference(inner, names);
            }
        }
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(|inner| bind_by_reference(inner, names)),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(|inner| bind_by_reference(inner, names)),
        Pat::Struct(fields) => {
            fields.fields.iter_mut().for_each(|field| bind_by_reference(&mut field.pat, names));
        }
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(|inner| bind_by_reference(inner, names)),
        Pat::Paren(paren) => bind_by_reference(&mut paren.pat, names),
        Pat::Reference(reference) => bind_by_reference(&mut reference.pat, names),
        _ => {}
    }
}

/// Takes `#[cache(skip)]` off the arguments; answers with the places of those that had it.
pub(crate) fn take_skip_markers(signature: &mut Signature, diagnostics: &mut Diagnostics) -> Vec<usize> {
    let mut marked = Vec::new();
    let typed = signature.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(typed),
    });
    for (index, typed) in typed.enumerate() {
        let mut skip = false;
        typed.attrs.retain(|attribute| {
            if !attribute.path().is_ident("cache") {
                return true;
            }
            let known = attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    skip = true;
                    return Ok(());
                }
                // Nothing else is known; else it would be missing in `key`, too.
                skip = true;
                Err(meta.error("unknown marker of an argument\nhelp: write `#[cache(skip)]`"))
            });
            if let Err(error) = known {
                diagnostics.syntax(error);
            }
            false
        });
        if let Some(cfg) = typed.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
            diagnostics.error_on(
                cfg,
                "an argument of a cached function cannot depend on `#[cfg]`",
                "write the function twice, each with its own `#[cfg]`",
            );
            skip = true;
        }
        if skip {
            marked.push(index);
        }
    }
    marked
}

/// What a `macro_rules!` passes on as `$type`, without the group around it.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        other => other,
    }
}

/// The first type in `<..>`.
pub(crate) fn first_type(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
