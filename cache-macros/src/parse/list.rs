//! The list in `#[cached(..)]`: names and values, separated by commas. Whatever is wrong with one of them, the others are
//! read.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, Ident, LitStr, Token,
    ext::IdentExt as _,
    parse::{ParseStream, Parser as _},
};

use super::{
    Spanned, cached_crate,
    options::{KNOWN, Options, example},
};
use crate::{diag::Diagnostics, suggest};

/// In the design, and not built yet.
const LATER: [&str; 2] = ["name", "codec"];

/// What was read so far.
#[derive(Default)]
struct List {
    options: Options,
    given: Vec<Ident>,
    /// Options of the crate `cached`.
    foreign: Vec<Ident>,
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut list = List::default();
        let parsed = (|input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = list.option(input, diagnostics) {
                    diagnostics.syntax(error);
                    skip_to_comma(input)?;
                }
                if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
                    continue;
                }
                diagnostics.error(input.span(), "a comma is missing", "write `, ` in front of this");
                let next_is_option = input.peek(Ident::peek_any) && input.peek2(Token![=]);
                if !next_is_option {
                    skip_to_comma(input)?;
                    input.parse::<Option<Token![,]>>()?;
                }
            }
            Ok(())
        })
        .parse2(tokens);
        if let Err(error) = parsed {
            diagnostics.syntax(error);
        }
        cached_crate::report(&list.foreign, diagnostics);
        list.options
    }
}

impl List {
    fn option(&mut self, input: ParseStream<'_>, diagnostics: &mut Diagnostics) -> syn::Result<()> {
        let name = self.name(input)?;
        let text = name.to_string();
        let known = KNOWN.iter().copied().find(|known| *known == text);
        let has_value = input.peek(Token![=]);
        let value = self.value(input, &text, known)?;
        if text == "each" && !matches!(value, Some(Expr::Lit(_)) | None) {
            // `id in ids` without quotes is one mistake.
            skip_to_comma(input)?;
        }
        match known {
            None => self.unknown(name, diagnostics),
            Some("batch") if !has_value && !self.given.contains(&name) => {
                self.options.batch = Some(Spanned::new(true, name.span()));
                self.given.push(name);
            }
            Some(known) => self.set(&name, known, value, diagnostics),
        }
        Ok(())
    }

    fn name(&mut self, input: ParseStream<'_>) -> syn::Result<Ident> {
        let error = match input.call(Ident::parse_any) {
            Ok(name) => return Ok(name),
            Err(error) => error,
        };
        let message = if input.peek(LitStr) {
            self.options.broken.push("key");
            let text = input.parse::<LitStr>()?;
            format!("this string has no option\nhelp: write `key = {}`", text.token())
        } else {
            self.options.unclear = true;
            "this is not an option\nhelp: write `name = value`, such as `ttl = \"5m\"`".to_owned()
        };
        Err(syn::Error::new(error.span(), message))
    }

    /// What stands behind `=`, if something does.
    fn value(
        &mut self,
        input: ParseStream<'_>,
        name: &str,
        known: Option<&'static str>,
    ) -> syn::Result<Option<Expr>> {
        let ends = |input: ParseStream<'_>| input.is_empty() || input.peek(Token![,]);
        if input.parse::<Option<Token![=]>>()?.is_some() {
            if ends(input) {
                return Ok(None);
            }
            let value = input.parse().map(ungrouped);
            self.options.broken.extend(known.filter(|_| value.is_err()));
            return value.map(Some);
        }
        if ends(input) {
            return Ok(None);
        }
        self.options.broken.extend(known);
        let example = known.map_or("..", example);
        let message = format!("`=` is missing after `{name}`\nhelp: write `{name} = {example}`");
        Err(syn::Error::new(input.span(), message))
    }

    fn unknown(&mut self, name: Ident, diagnostics: &mut Diagnostics) {
        let text = name.to_string();
        if LATER.contains(&text.as_str()) {
            diagnostics.error(name.span(), format!("`{text}` is not there yet"), format!("remove `{text}`"));
        } else if cached_crate::has(&text) {
            // What is missing beside it is a part of the same mistake.
            self.options.unclear = true;
            self.foreign.push(name);
        } else {
            let known = || KNOWN.iter().copied();
            // Most likely it is the one that would be missing otherwise.
            self.options.broken.extend(suggest::nearest(&text, known()));
            let help = suggest::or(&text, known(), || {
                let all: Vec<String> = known().map(str::to_owned).collect();
                format!("use one of {}", suggest::list(&all))
            });
            diagnostics.error(name.span(), format!("unknown option `{text}`"), help);
        }
    }

    fn set(&mut self, name: &Ident, known: &'static str, value: Option<Expr>, diagnostics: &mut Diagnostics) {
        if self.given.contains(name) {
            diagnostics.error(name.span(), format!("`{name}` is already set"), "keep one of the two");
            return;
        }
        self.given.push(name.clone());
        let is_right = match value {
            Some(value) => self.options.set(known, &value, diagnostics).is_some(),
            None => {
                let help = format!("write `{name} = {}`", example(known));
                diagnostics.error(name.span(), format!("`{name}` has no value"), help);
                false
            }
        };
        if !is_right {
            self.options.broken.push(known);
        }
    }
}

/// What a `macro_rules!` passes on, such as `key = $key`, without the group around it.
pub(super) fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Array(mut list) => {
            list.elems = list.elems.into_iter().map(ungrouped).collect();
            Expr::Array(list)
        }
        other => other,
    }
}

/// Goes on behind something that is not an option.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
