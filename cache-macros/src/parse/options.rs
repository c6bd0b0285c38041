//! The options of `#[cached]`, as one table.

use std::time::Duration;

use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Path, Token,
    ext::IdentExt as _,
    parse::{ParseStream, Parser as _},
    spanned::Spanned as _,
};

use super::{
    Spanned,
    duration::{self, DurationError},
    target::Target,
    template::Template,
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
    /// Whether something was no option at all, so that nobody knows which ones are missing.
    unclear: bool,
}

/// `each = "id in ids"`
pub(crate) struct Each {
    pub(crate) element: Ident,
    pub(crate) list: Ident,
}

const KNOWN: [&str; 25] = [
    "key",
    "ttl",
    "skip",
    "mode",
    "value",
    "invalidates",
    "negative_ttl",
    "jitter",
    "cache_if",
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
                let message = "this is no option\nhelp: write `name = value`, such as `ttl = \"5m\"`";
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
            "cache_if" => self.cache_if = Some(Spanned::new(veto(value, diagnostics)?, span)),
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

/// Goes on behind something that is no option.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

/// What a value of an option looks like.
fn example(option: &str) -> &'static str {
    match option {
        "key" => "\"user:<id>\"",
        "ttl" => "\"5m\"",
        "negative_ttl" => "\"30s\"",
        "skip" => "[pool]",
        "mode" => "\"write-through\"",
        "value" => "\"user\"",
        "invalidates" => "[\"users:leaderboard\"]",
        "jitter" => "0.1",
        "cache_if" => "|user| ..",
        "version" => "2",
        "companion" => "false",
        "crate" => "::my_crate::cache_runtime",
        "stale_while_revalidate" => "\"30s\"",
        "stale_if_error" => "\"10m\"",
        "early_refresh" => "1.0",
        "load_timeout" => "\"5s\"",
        "settle" => "\"500ms\"",
        "tags" => "[\"org:<org>\"]",
        "local" => "\"5s\"",
        "each" => "\"id in ids\"",
        "detach" | "strict" | "batch" => "true",
        _ => "..",
    }
}

fn string(value: &Expr, option: &str, example: &str, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    match value {
        Expr::Lit(literal) if let Lit::Str(text) = &literal.lit => Some(text.clone()),
        other => {
            let help = format!("write `{option} = \"{example}\"`");
            diagnostics.error_on(other, format!("`{option}` is not a string"), help);
            None
        }
    }
}

fn idents(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Vec<Ident>> {
    let names = match value {
        Expr::Array(list) => list.elems.iter().map(ident).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    if names.is_none() {
        diagnostics.error_on(value, "`skip` is not a list of arguments", "write `skip = [pool]`");
    }
    names
}

/// A list of templates. Every mistake of the list is shown, not only the first.
fn tags(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Vec<Template>> {
    let Expr::Array(list) = value else {
        let help = "write a list: `tags = [\"org:<org>\"]`";
        diagnostics.error_on(value, "`tags` is not a list", help);
        return None;
    };
    if list.elems.is_empty() {
        diagnostics.error_on(list, "`tags` is empty", "name a tag, such as `\"org:<org>\"`, or remove it");
        return None;
    }
    let tag = |element: &Expr| match element {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Template::parse(text, "tags", diagnostics),
        other => {
            diagnostics.error_on(other, "a tag is a string", "write `tags = [\"org:<org>\"]`");
            None
        }
    };
    let found: Vec<Option<Template>> = list.elems.iter().map(tag).collect();
    found.into_iter().collect()
}

/// `id in ids`
fn each(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Each> {
    let literal = string(value, "each", "id in ids", diagnostics)?;
    let names = literal.parse_with(|input: ParseStream<'_>| {
        let element = input.parse()?;
        input.parse::<Token![in]>()?;
        Ok(Each { element, list: input.parse()? })
    });
    if names.is_err() {
        diagnostics.error(
            literal.span(),
            "`each` is not of the form `id in ids`",
            "name one of the list, and the argument that is the list: `each = \"id in ids\"`",
        );
    }
    names.ok()
}

/// A duration in words, or `false`.
fn local(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Option<Duration>> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => duration(value, "local", diagnostics).map(Some),
        _ if boolean(value) == Some(false) => Some(None),
        other => {
            let help = "write `local = \"5s\"`, or `local = false` for no local level";
            diagnostics.error_on(other, "`local` is neither a duration nor `false`", help);
            None
        }
    }
}

/// A closure with one parameter, or a function.
fn veto(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Expr> {
    match value {
        Expr::Closure(closure) if closure.inputs.len() == 1 => Some(value.clone()),
        Expr::Path(_) => Some(value.clone()),
        other => {
            diagnostics.error_on(
                other,
                "`cache_if` is not a closure that gets the value",
                "write `cache_if = |user| user.is_active`",
            );
            None
        }
    }
}

fn ident(value: &Expr) -> Option<Ident> {
    match value {
        Expr::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    }
}

/// A number, whole or not.
fn number(value: &Expr) -> Option<f64> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Float(number) => number.base10_parse().ok(),
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn boolean(value: &Expr) -> Option<bool> {
    match value {
        Expr::Lit(literal) if let Lit::Bool(flag) = &literal.lit => Some(flag.value),
        _ => None,
    }
}

fn flag(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<bool> {
    let flag = boolean(value);
    if flag.is_none() {
        let help = format!("write `{option} = true` or `{option} = false`");
        diagnostics.error_on(value, format!("`{option}` is neither `true` nor `false`"), help);
    }
    flag
}

/// A duration in words.
fn duration(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let written = match value {
        Expr::Lit(literal) if let Lit::Str(text) = &literal.lit => Some(text.value()),
        _ => None,
    };
    let wrong = match written.as_deref().map(duration::parse) {
        Some(Ok(duration)) => return Some(duration),
        Some(Err(DurationError::NoUnit)) => format!("`{option}` needs a unit"),
        Some(Err(DurationError::UnknownUnit(unit))) => format!("`{option}` has the unknown unit `{unit}`"),
        Some(Err(DurationError::OutOfRange)) => format!("`{option}` is zero or longer than a century"),
        Some(Err(DurationError::Malformed)) | None => format!("`{option}` is no duration"),
    };
    let help = format!("write `{option} = {}` (`ms`, `s`, `m`, `h`, `d`)", example(option));
    diagnostics.error_on(value, wrong, help);
    None
}

/// Beta of XFetch; `false` is 0.
fn early_refresh(value: &Expr, diagnostics: &mut Diagnostics) -> Option<f64> {
    let number = match boolean(value) {
        Some(false) => Some(0.0),
        Some(true) => None,
        None => number(value),
    };
    let beta = number.filter(|beta| (0.0..=1_000.0).contains(beta));
    if beta.is_none() {
        diagnostics.error_on(
            value,
            "`early_refresh` is a number from 0 to 1000, or `false`",
            "write `early_refresh = 1.0`; a larger number refreshes earlier, 0 and `false` never",
        );
    }
    beta
}

fn jitter(value: &Expr, diagnostics: &mut Diagnostics) -> Option<f64> {
    let share = number(value).filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() {
        diagnostics.error_on(
            value,
            "`jitter` is a share of the TTL, from 0 to 1",
            "write `jitter = 0.1` for up to a tenth",
        );
    }
    share
}

fn version(value: &Expr, diagnostics: &mut Diagnostics) -> Option<u32> {
    let number = match value {
        Expr::Lit(literal) if let Lit::Int(number) = &literal.lit => number.base10_parse::<u32>().ok(),
        _ => None,
    };
    let version = number.filter(|version| *version > 0);
    if version.is_none() {
        diagnostics.error_on(value, "`version` is a whole number from 1", "write `version = 2`");
    }
    version
}

fn companion(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Option<Ident>> {
    if boolean(value) == Some(false) {
        return Some(None);
    }
    let name = ident(value);
    if name.is_none() {
        let help = "write `companion = user_cache`, or `companion = false` for none";
        diagnostics.error_on(value, "`companion` is not a name", help);
    }
    name.map(Some)
}

fn path(value: &Expr, diagnostics: &mut Diagnostics) -> Option<Path> {
    match value {
        Expr::Path(path) => Some(path.path.clone()),
        other => {
            diagnostics.error_on(other, "`crate` is not a path", "write `crate = ::my_crate::cache_runtime`");
            None
        }
    }
}
