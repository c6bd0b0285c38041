//! Cache-aside, write-through, or only invalidating: what each needs and forbids.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Ident, Type};

use super::{batch::is_batch, function::Argument, kinds, output};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, options::Options},
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

impl Mode {
    pub(crate) fn new(
        function: &Function,
        options: &Options,
        arguments: &[Argument],
        output: Option<&Type>,
        mut written: TokenStream,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let (key, ttl, invalidates) =
            (options.given("key"), options.given("ttl"), options.given("invalidates"));
        if !key && !ttl && invalidates {
            forbid_without_key(options, diagnostics);
            return Some(Self::Invalidate);
        }
        if written.is_empty() {
            // All of `#[cached]`, without a note that a macro has reported it.
            let whole = function.signature.ident.span().located_at(Span::call_site());
            written = Ident::new("cached", whole).to_token_stream();
        }
        if !key {
            let skipped = |name: &&Ident| options.skipped().iter().any(|skipped| skipped == *name);
            let names = arguments.iter().flat_map(|argument| &argument.names).filter(|name| !skipped(name));
            let placeholders: String = names.map(|name| format!(":<{name}>")).collect();
            let help = format!("add `key = \"{}{placeholders}\"`", function.signature.ident);
            diagnostics.error_on(&written, "`key` is missing", help);
        }
        if !ttl {
            diagnostics.error_on(
                &written,
                "`ttl` is missing",
                "add `ttl = \"STANDARD\"` (1 hour), or a duration: `ttl = \"5m\"`",
            );
        }
        let write = match &options.mode {
            None => invalidates || options.value.is_some(),
            Some(mode) => match mode.value.as_str() {
                "write-through" => true,
                "cache-aside" => {
                    if options.invalidates.is_some() {
                        diagnostics.error(
                            mode.span,
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
            if let Some(output @ Type::Tuple(tuple)) = output
                && tuple.elems.is_empty()
            {
                let name = &function.signature.ident;
                diagnostics.error_on(
                    output,
                    format!("`{name}` returns nothing that could be cached"),
                    "return the value to cache, or remove `#[cached]`",
                );
            }
            return check_name(function, options, diagnostics).then_some(Self::Read);
        }
        let value = match &options.value {
            None => {
                if let Some(output) = output.filter(|output| output::is_unit(output)) {
                    let name = &function.signature.ident;
                    diagnostics.error_on(
                        output,
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

/// A hit skips the body: of a function whose name is that of a write, that is most likely an `UPDATE`.
fn check_name(function: &Function, options: &Options, diagnostics: &mut Diagnostics) -> bool {
    let name = &function.signature.ident;
    let says_so = options.mode.is_some() || options.broken.contains(&"mode") || is_batch(options);
    let suspect = !says_so && kinds::is_write(name);
    if suspect {
        diagnostics.error(
            name.span(),
            format!("by its name `{name}` writes, and without `invalidates` a hit would skip its body"),
            "a function that writes needs `invalidates = [..]` or `mode = \"write-through\"`; if it only reads, \
             write `mode = \"cache-aside\"`",
        );
    }
    !suspect
}

/// What makes no sense where nothing is stored.
fn forbid_without_key(options: &Options, diagnostics: &mut Diagnostics) {
    const FORBIDDEN: [&str; 11] = [
        "mode",
        "value",
        "negative_ttl",
        "jitter",
        "stale_while_revalidate",
        "stale_if_error",
        "cache_if",
        "bypass_if",
        "version",
        "tags",
        "skip",
    ];
    options.forbid(&FORBIDDEN, diagnostics, |name| {
        (
            format!("`{name}` has no meaning without `key` and `ttl`: this function stores nothing"),
            format!("remove `{name}`, or add `key` and `ttl`"),
        )
    });
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
            diagnostics.error_on(
                &argument.ty,
                "what happens in a transaction is not committed when this function returns",
                "annotate the function that commits",
            );
        }
    }
}

/// A variable or function of this name, not a field or method.
pub(super) fn find(tokens: TokenStream, name: &Ident) -> Option<Ident> {
    let mut behind_dot = false;
    tokens.into_iter().find_map(|token| {
        let is_field = std::mem::replace(
            &mut behind_dot,
            matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.'),
        );
        match token {
            TokenTree::Ident(found) => (found == *name && !is_field).then_some(found),
            TokenTree::Group(group) => find(group.stream(), name),
            TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        }
    })
}
