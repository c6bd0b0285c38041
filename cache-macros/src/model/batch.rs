//! Functions that read many entries at once: which argument lists them, and what one of them is called.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{
    GenericArgument, Ident, PathArguments, PathSegment, ReceiverKind, Type, TypeReference,
    spanned::Spanned as _,
};

use super::function::{Argument, Companion, first_type};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, options::Options},
    suggest,
};

/// `each = "id in ids"`, checked.
pub(crate) struct Batch {
    /// The place of `ids`.
    pub(crate) list: usize,
    pub(crate) form: List,
    /// `id`
    pub(crate) element: Ident,
    pub(crate) element_type: Type,
}

/// How the function takes the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// `&[K]`
    Slice,
    /// `&Vec<K>`
    Borrowed,
    /// `Vec<K>`
    Owned,
}

/// The name in `each`; `None`: it could not be read, so any placeholder may be it.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a>(pub(crate) Option<&'a Ident>);

impl<'a> Element<'a> {
    /// Where the function is a batch, or is meant to be one.
    pub(crate) fn new(options: &'a Options) -> Option<Self> {
        let each = options.each.as_ref().map(|each| &each.value.element);
        let meant = is_batch(options) || options.broken.iter().any(|name| ["batch", "each"].contains(name));
        (each.is_some() || meant).then_some(Self(each))
    }

    pub(crate) fn is(self, name: &str) -> bool {
        self.0.is_some_and(|element| element == name)
    }
}

pub(crate) fn is_batch(options: &Options) -> bool {
    options.batch.as_ref().is_some_and(|batch| batch.value)
}

impl Batch {
    /// `None` where it is not a batch, or one with a mistake.
    pub(crate) fn new(
        options: &Options,
        function: &Function,
        arguments: &[Argument],
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let broken = |name| options.broken.contains(&name);
        let each = options.each.as_ref();
        let Some(batch) = options.batch.as_ref().filter(|batch| batch.value) else {
            if let (Some(each), false) = (each, broken("batch")) {
                diagnostics.error(each.span, "`each` is for batches", "add `batch`, or remove `each`");
            }
            return None;
        };
        forbid(options, diagnostics);
        check_twice(options, function, arguments, diagnostics);
        let Some(each) = each else {
            if !broken("each") {
                let list = arguments.iter().find(|argument| list_of(&argument.ty).is_some());
                let help = match list.and_then(|list| list.names.first()) {
                    Some(list) => format!("add `each = \"id in {list}\"`, and `<id>` to `key`"),
                    None => "add `each = \"id in ids\"`, and an argument `ids: &[u64]`".to_owned(),
                };
                diagnostics.error(batch.span, "`batch` needs `each`", help);
            }
            return None;
        };
        let (element, list) = (&each.value.element, &each.value.list);
        let name = &function.signature.ident;
        if arguments.iter().any(|argument| argument.names.contains(element)) {
            diagnostics.error(
                each.span,
                format!("`{element}` is an argument of `{name}` already"),
                format!("call one of `{list}` by another name"),
            );
            return None;
        }
        let Some(index) = arguments.iter().position(|argument| argument.names.contains(list)) else {
            let names: Vec<String> =
                arguments.iter().flat_map(|argument| &argument.names).map(ToString::to_string).collect();
            let help =
                suggest::or(&list.to_string(), names.iter().map(String::as_str), || match names.as_slice() {
                    [] => format!("add an argument `{list}: &[u64]`"),
                    names => format!("use {}", suggest::list(names)),
                });
            diagnostics.error(each.span, format!("`{list}` is not an argument of `{name}`"), help);
            return None;
        };
        let argument = &arguments[index];
        if argument.pattern.is_some() {
            diagnostics.error_on(
                &argument.written,
                format!("`{list}` is a part of this argument, and a batch needs a list that is one"),
                format!("write `{list}` as an argument of its own"),
            );
            return None;
        }
        let Some((form, element_type)) = list_of(&argument.ty) else {
            diagnostics.error_on(
                &argument.ty,
                format!("`{list}` is not a list from which a batch can leave elements out"),
                format!("take `{list}` as `&[K]`, `&Vec<K>` or `Vec<K>`"),
            );
            return None;
        };
        Some(Self { list: index, form, element: element.clone(), element_type: element_type.clone() })
    }
}

/// `K` of `&[K]`, `&Vec<K>`, `Vec<K>`.
fn list_of(ty: &Type) -> Option<(List, &Type)> {
    match ty {
        Type::Reference(TypeReference { mutability: None, elem, lifetime, .. })
            if lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static") =>
        {
            match &**elem {
                Type::Slice(slice) => Some((List::Slice, &slice.elem)),
                inner => vec_of(inner).map(|element| (List::Borrowed, element)),
            }
        }
        other => vec_of(other).map(|element| (List::Owned, element)),
    }
}

fn vec_of(ty: &Type) -> Option<&Type> {
    let vec = last(ty).filter(|last| last.ident == "Vec")?;
    first_type(&vec.arguments)
}

/// What a batch cannot do.
fn forbid(options: &Options, diagnostics: &mut Diagnostics) {
    const FORBIDDEN: [&str; 9] = [
        "invalidates",
        "mode",
        "value",
        "stale_while_revalidate",
        "stale_if_error",
        "early_refresh",
        "detach",
        "settle",
        "strict",
    ];
    options.forbid(&FORBIDDEN, diagnostics, |name| {
        (format!("`{name}` is not for batches"), format!("remove `{name}`"))
    });
}

/// The body runs once more where another process has not brought what it was loading.
fn check_twice(
    options: &Options,
    function: &Function,
    arguments: &[Argument],
    diagnostics: &mut Diagnostics,
) {
    let mutable = |ty: &Type| matches!(ty, Type::Reference(reference) if reference.mutability.is_some());
    let is_list = |argument: &&Argument| {
        options.each.as_ref().is_some_and(|each| argument.names.contains(&each.value.list))
    };
    for argument in arguments.iter().filter(|argument| mutable(&argument.ty) && !is_list(argument)) {
        diagnostics.error_on(
            &argument.ty,
            "the body of a batch may run twice, and this argument is borrowed mutably",
            "take it by `&`, or by value if it can be cloned",
        );
    }
    let Some(receiver) = function.signature.receiver() else { return };
    let help = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return,
        ReceiverKind::Reference(_, _, Some(_)) => "take `&self`",
        _ if matches!(Companion::new(function, options.companion.clone()), Companion::None) => {
            "take `&self`, or move the body into a function of its own"
        }
        _ => return,
    };
    diagnostics.error_on(
        receiver.to_token_stream(),
        "the body of a batch may run twice, and it takes `self` away",
        help,
    );
}

/// The value in a written `HashMap<K, V>`, `BTreeMap<K, V>` or `Vec<Option<V>>`, plain or in a `Result`.
pub(crate) fn value(output: &Type) -> Option<&Type> {
    let last = last(output)?;
    let mut types = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
        }
        _ => return None,
    };
    match last.ident.to_string().as_str() {
        "Result" => value(types.next()?),
        "HashMap" | "BTreeMap" => types.nth(1),
        "Vec" => {
            let element = self::last(types.next()?)?;
            if element.ident == "Option" { first_type(&element.arguments) } else { None }
        }
        _ => None,
    }
}

fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Where a result that cannot be cached is shown.
pub(crate) fn value_span(output: &Type) -> Span {
    value(output).unwrap_or(output).span()
}
