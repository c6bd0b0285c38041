//! The function under the attribute; its body stays raw tokens.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Signature, Token, Visibility,
    ext::IdentExt as _,
    parse::{Parse, ParseStream},
};

use super::surroundings::Surroundings;

/// A function; its body is not parsed.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// In braces. `None`: a method of a trait without one.
    pub(crate) body: Option<TokenStream>,
    pub(crate) surroundings: Surroundings,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        // `const async fn` and the like are told apart later; everything that is no function is told apart here.
        let start = input.fork();
        let ahead = input.fork();
        while ahead.peek(syn::Ident::peek_any) && !ahead.peek(Token![fn]) || ahead.peek(syn::LitStr) {
            if ["struct", "enum", "trait", "impl", "mod", "type", "static", "union", "use", "macro_rules"]
                .iter()
                .any(|keyword| is_word(&ahead, keyword))
            {
                return Err(input_error(&start));
            }
            if ahead.peek(syn::LitStr) {
                ahead.parse::<syn::LitStr>()?;
            } else {
                ahead.call(syn::Ident::parse_any)?;
            }
        }
        if !ahead.peek(Token![fn]) {
            return Err(input_error(&start));
        }
        let signature: Signature = input.parse()?;
        let body = if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            None
        } else {
            Some(input.parse()?)
        };
        let surroundings = Surroundings::of(&signature.ident.to_string(), signature.ident.span());
        Ok(Self { attributes, visibility, signature, body, surroundings })
    }
}

fn is_word(input: ParseStream<'_>, word: &str) -> bool {
    input.fork().call(syn::Ident::parse_any).is_ok_and(|ident| ident == word)
}

fn input_error(at: ParseStream<'_>) -> syn::Error {
    at.error("`#[cached]` belongs on an async function\nhelp: put it on the `async fn` whose result is to be cached")
}
