//! What the function returns, as far as its spelling tells. What it really is the expansion asks the types.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Ident, Type};

use super::function::first_type;
use crate::diag::Diagnostics;

/// The value in a written `Result<..>`, `Option<..>` or both; the type itself where neither is written.
pub(crate) fn value(output: &Type) -> &Type {
    let ok = argument_of(output, "Result").unwrap_or(output);
    argument_of(ok, "Option").unwrap_or(ok)
}

fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    first_type(&last.arguments)
}

/// Whether a type has the name of a web framework's response.
pub(crate) fn is_response(output: &Type) -> bool {
    const RESPONSES: [&str; 6] = ["Json", "Html", "Response", "HttpResponse", "Redirect", "NamedFile"];
    let Type::Path(path) = value(output) else { return false };
    path.path.segments.last().is_some_and(|last| RESPONSES.iter().any(|name| last.ident == name))
}

/// `()`, also in a `Result`.
pub(crate) fn is_unit(output: &Type) -> bool {
    matches!(value(output), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Whether a type is written with a lifetime other than `'static`.
fn borrows(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match &token {
            TokenTree::Punct(quote) if quote.as_char() == '\'' => {
                !matches!(tokens.peek(), Some(TokenTree::Ident(lifetime)) if lifetime == "static")
            }
            TokenTree::Punct(ampersand) => ampersand.as_char() == '&',
            TokenTree::Group(group) => borrows(group.stream()),
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        if found {
            return true;
        }
    }
    false
}

pub(crate) fn check(name: &Ident, output: &Type, diagnostics: &mut Diagnostics) {
    match value(output) {
        borrow @ Type::Reference(reference) => {
            let owned = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => "`String` or `Arc<str>`".to_owned(),
                Type::Slice(slice) => {
                    let element = slice.elem.to_token_stream();
                    format!("`Vec<{element}>` or `Arc<[{element}]>`")
                }
                other => format!("`{0}` or `Arc<{0}>`", other.to_token_stream()),
            };
            diagnostics.error_on(
                borrow,
                format!("`{name}` returns a borrow, which a cache cannot own"),
                format!("return {owned}"),
            );
        }
        hidden @ Type::ImplTrait(hidden_trait) => {
            let is_response = hidden_trait.bounds.iter().any(|bound| {
                let text = bound.to_token_stream().to_string();
                ["IntoResponse", "Responder"].iter().any(|name| text.ends_with(name))
            });
            let help = match is_response {
                true => {
                    "put `#[cached]` on the service function that returns the data, and make the response of it in \
                         the handler"
                }
                false => "name the type",
            };
            diagnostics.error_on(
                hidden,
                format!("`{name}` returns a type without a name, which a cache cannot decode"),
                help,
            );
        }
        other if borrows(other.to_token_stream()) => diagnostics.error_on(
            other,
            format!("`{name}` returns a borrow, which a cache cannot own"),
            "return a type that owns what it holds, such as `String` for `&str`",
        ),
        _ => {}
    }
}
