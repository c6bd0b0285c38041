//! The options of `#[cached]`, as one table.

use std::time::Duration;

use syn::{
    Expr, Ident, LitStr, Path, Token,
    ext::IdentExt as _,
    parse::{ParseStream, Parser as _},
    spanned::Spanned as _,
};

use super::{
    Spanned, cached_crate,
    target::Target,
    template::Template,
    values::{
        companion, duration, each, early_refresh, example, flag, idents, jitter, local, path, string, tags,
        verdict, version,
    },
};
use crate::{diag::Diagnostics, suggest};

/// What was written, each option at most once.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) key: Option<Spanned<Template>>,
    pub(crate) ttl: Option<Spanned<Expr>>,
    pub(crate) skip: Option<Vec<Ident>>,
    pub(crate) mode: Option<Spanned<String>>,
    pub(crate) value: Option<Spanned<String>>,
    pub(crate) invalidates: Option<Spanned<Vec<Target>>>,
    pub(crate) tags: Option<Spanned<Vec<Template>>>,
    /// `None` for no local level.
    pub(crate) local: Option<Spanned<Option<Duration>>>,
    pub(crate) negative_ttl: Option<Spanned<Expr>>,
    pub(crate) jitter: Option<Spanned<f64>>,
    pub(crate) cache_if: Option<Spanned<Expr>>,
    pub(crate) unchanged_if: Option<Spanned<Expr>>,
    pub(crate) bypass_if: Option<Spanned<Expr>>,
    pub(crate) version: Option<Spanned<u32>>,
    pub(crate) cache: Option<Spanned<Expr>>,
    pub(crate) companion: Option<Spanned<Option<Ident>>>,
    pub(crate) stale_while_revalidate: Option<Spanned<Duration>>,
    pub(crate) stale_if_error: Option<Spanned<Duration>>,
    /// 0 for none.
    pub(crate) early_refresh: Option<Spanned<f64>>,
    pub(crate) load_timeout: Option<Spanned<Duration>>,
    pub(crate) detach: Option<Spanned<bool>>,
    pub(crate) settle: Option<Spanned<Duration>>,
    pub(crate) strict: Option<Spanned<bool>>,
    pub(crate) batch: Option<Spanned<bool>>,
    pub(crate) each: Option<Spanned<Each>>,
    pub(crate) runtime: Option<Path>,
    /// Options whose value was wrong: they count as given.
    pub(crate) broken: Vec<&'static str>,
    /// Whether something was not an option at all, so that it is unknown which ones are missing.
    unclear: bool,
    /// Options of the crate `cached`.
    foreign: Vec<Ident>,
}

/// `each = "id in ids"`
pub(crate) struct Each {
    pub(crate) element: Ident,
    pub(crate) list: Ident,
}

const KNOWN: [&str; 26] = [
    "key",
    "ttl",
    "skip",
    "mode",
    "value",
    "invalidates",
    "negative_ttl",
    "jitter",
    "cache_if",
    "unchanged_if",
    "bypass_if",
    "version",
    "cache",
    "companion",
    "crate",
    "stale_while_revalidate",
    "stale_if_error",
    "early_refresh",
    "load_timeout",
    "detach",
    "settle",
    "strict",
    "tags",
    "local",
    "batch",
    "each",
];

/// In the design, and not built yet.
const LATER: [&str; 2] = ["name", "codec"];

impl Options {
    pub(crate) fn parse(tokens: proc_macro2::TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let parsed = (|input: ParseStream<'_>| {
            let mut given = Vec::<Ident>::new();
            while !input.is_empty() {
                if let Err(error) = options.option(input, &mut given, diagnostics) {
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
        cached_crate::report(&options.foreign, diagnostics);
        options
    }

    /// Whether an option was given, right or wrong.
    pub(crate) fn given(&self, name: &str) -> bool {
        self.unclear
            || self.broken.contains(&name)
            || match name {
                "key" => self.key.is_some(),
                "ttl" => self.ttl.is_some(),
                "invalidates" => self.invalidates.is_some(),
                _ => false,
            }
    }

    fn option(
        &mut self,
        input: ParseStream<'_>,
        given: &mut Vec<Ident>,
        diagnostics: &mut Diagnostics,
    ) -> syn::Result<()> {
        let name = match input.call(Ident::parse_any) {
            Ok(name) => name,
            Err(error) if input.peek(LitStr) => {
                self.broken.push("key");
                let text = input.parse::<LitStr>()?;
                let message = format!("this string has no option\nhelp: write `key = {}`", text.token());
                return Err(syn::Error::new(error.span(), message));
            }
            Err(error) => {
                self.unclear = true;
                let message = "this is not an option\nhelp: write `name = value`, such as `ttl = \"5m\"`";
                return Err(syn::Error::new(error.span(), message));
            }
        };
        let text = name.to_string();
        let known = KNOWN.iter().copied().find(|known| *known == text);
        let is_flag = text == "batch" && !input.peek(Token![=]);
        let value: Option<Expr> = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if input.is_empty() || input.peek(Token![,]) {
                None
            } else {
                let value = input.parse().map(ungrouped);
                self.broken.extend(known.filter(|_| value.is_err()));
                Some(value?)
            }
        } else if input.is_empty() || input.peek(Token![,]) {
            None
        } else {
            self.broken.extend(known);
            let example = known.map_or("..", example);
            let message = format!("`=` is missing after `{text}`\nhelp: write `{text} = {example}`");
            return Err(syn::Error::new(input.span(), message));
        };
        if text == "each" && !matches!(value, Some(Expr::Lit(_)) | None) {
            // `id in ids` without quotes is one mistake.
            skip_to_comma(input)?;
        }
        if LATER.contains(&text.as_str()) {
            diagnostics.error(name.span(), format!("`{text}` is not there yet"), format!("remove `{text}`"));
            return Ok(());
        }
        if cached_crate::has(&text) {
            // What is missing beside it is a part of the same mistake.
            self.unclear = true;
            self.foreign.push(name);
            return Ok(());
        }
        let Some(known) = known else {
            // Most likely it is the one that would be missing otherwise.
            self.broken.extend(suggest::nearest(&text, KNOWN));
            let help = suggest::or(&text, KNOWN, || {
                format!("use one of {}", suggest::list(&KNOWN.map(str::to_owned)))
            });
            diagnostics.error(name.span(), format!("unknown option `{text}`"), help);
            return Ok(());
        };
        if given.contains(&name) {
            diagnostics.error(name.span(), format!("`{text}` is already set"), "keep one of the two");
            return Ok(());
        }
        given.push(name.clone());
        if is_flag && value.is_none() {
            self.batch = Some(Spanned::new(true, name.span()));
            return Ok(());
        }
        let Some(value) = value else {
            let help = format!("write `{text} = {}`", example(known));
            diagnostics.error(name.span(), format!("`{text}` has no value"), help);
            self.broken.push(known);
            return Ok(());
        };
        if self.set(known, &value, diagnostics).is_none() {
            self.broken.push(known);
        }
        Ok(())
    }

    /// `None` where the value is wrong; then a mistake was recorded.
    fn set(&mut self, name: &'static str, value: &Expr, diagnostics: &mut Diagnostics) -> Option<()> {
        let span = value.span();
        match name {
            "key" => {
                let literal = string(value, name, "user:<id>", diagnostics)?;
                let template = Template::parse(&literal, name, diagnostics)?;
                self.key = Some(Spanned::new(template, span));
            }
            "ttl" => self.ttl = Some(Spanned::new(value.clone(), span)),
            "negative_ttl" => self.negative_ttl = Some(Spanned::new(value.clone(), span)),
            "cache_if" => self.cache_if = Some(Spanned::new(verdict(value, name, diagnostics)?, span)),
            "unchanged_if" => {
                self.unchanged_if = Some(Spanned::new(verdict(value, name, diagnostics)?, span))
            }
            "bypass_if" => self.bypass_if = Some(Spanned::new(value.clone(), span)),
            "cache" => self.cache = Some(Spanned::new(value.clone(), span)),
            "skip" => self.skip = Some(idents(value, diagnostics)?),
            "mode" => {
                let literal = string(value, name, "write-through", diagnostics)?;
                self.mode = Some(Spanned::new(literal.value(), span));
            }
            "value" => {
                let literal = string(value, name, "user", diagnostics)?;
                self.value = Some(Spanned::new(literal.value(), span));
            }
            "invalidates" => {
                let Expr::Array(list) = value else {
                    let help = "write a list: `invalidates = [\"users:leaderboard\", get_user(id)]`";
                    diagnostics.error(span, "`invalidates` is not a list", help);
                    return None;
                };
                // Every mistake of the list is shown, not only the first.
                let targets: Vec<_> =
                    list.elems.iter().filter_map(|element| Target::parse(element, diagnostics)).collect();
                if list.elems.is_empty() {
                    let help = "name a target, such as `\"users:leaderboard\"`, or remove it";
                    diagnostics.error_on(list, "`invalidates` is empty", help);
                    return None;
                }
                self.invalidates = Some(Spanned::new(targets, span));
            }
            "tags" => self.tags = Some(Spanned::new(tags(value, diagnostics)?, span)),
            "local" => self.local = Some(Spanned::new(local(value, diagnostics)?, span)),
            "batch" => self.batch = Some(Spanned::new(flag(value, name, diagnostics)?, span)),
            "each" => self.each = Some(Spanned::new(each(value, diagnostics)?, span)),
            "jitter" => self.jitter = Some(Spanned::new(jitter(value, diagnostics)?, span)),
            "version" => self.version = Some(Spanned::new(version(value, diagnostics)?, span)),
            "companion" => self.companion = Some(Spanned::new(companion(value, diagnostics)?, span)),
            "stale_while_revalidate" => {
                self.stale_while_revalidate = Some(Spanned::new(duration(value, name, diagnostics)?, span));
            }
            "stale_if_error" => {
                self.stale_if_error = Some(Spanned::new(duration(value, name, diagnostics)?, span));
            }
            "early_refresh" => {
                self.early_refresh = Some(Spanned::new(early_refresh(value, diagnostics)?, span));
            }
            "load_timeout" => {
                self.load_timeout = Some(Spanned::new(duration(value, name, diagnostics)?, span));
            }
            "detach" => self.detach = Some(Spanned::new(flag(value, name, diagnostics)?, span)),
            "settle" => self.settle = Some(Spanned::new(duration(value, name, diagnostics)?, span)),
            "strict" => self.strict = Some(Spanned::new(flag(value, name, diagnostics)?, span)),
            _ => self.runtime = Some(path(value, diagnostics)?),
        }
        Some(())
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
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}
