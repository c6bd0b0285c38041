//! The values of the options: what each may look like, and what is wrong with another.

use std::time::Duration;

use syn::{Expr, ExprLit, Ident, Lit, LitStr, Path, Token, parse::ParseStream, spanned::Spanned as _};

use super::{
    duration::{self, DurationError},
    options::{Each, example},
    target::Target,
    template::Template,
};
use crate::diag::Diagnostics;

/// Any expression.
pub(super) fn expression(value: &Expr, _: &str, _: &mut Diagnostics) -> Option<Expr> {
    Some(value.clone())
}

/// A string in quotes.
fn string(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        other => {
            let help = format!("write `{option} = {}`", example(option));
            diagnostics.error_on(other, format!("`{option}` is not a string"), help);
            None
        }
    }
}

/// What stands in a string.
pub(super) fn text(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<String> {
    string(value, option, diagnostics).map(|literal| literal.value())
}

pub(super) fn template(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<Template> {
    Template::parse(&string(value, option, diagnostics)?, option, diagnostics)
}

/// A list of targets. Every mistake of the list is shown, not only the first.
pub(super) fn targets(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Target>> {
    let Expr::Array(list) = value else {
        let help = "write a list: `invalidates = [\"users:leaderboard\", get_user(id)]`";
        diagnostics.error(value.span(), "`invalidates` is not a list", help);
        return None;
    };
    if list.elems.is_empty() {
        let help = "name a target, such as `\"users:leaderboard\"`, or remove it";
        diagnostics.error_on(list, "`invalidates` is empty", help);
        return None;
    }
    Some(list.elems.iter().filter_map(|element| Target::parse(element, diagnostics)).collect())
}

pub(super) fn idents(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Ident>> {
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
pub(super) fn tags(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Template>> {
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
pub(super) fn each(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Each> {
    let literal = string(value, "each", diagnostics)?;
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
pub(super) fn local(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Option<Duration>> {
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
pub(super) fn verdict(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<Expr> {
    match value {
        Expr::Closure(closure) if closure.inputs.len() == 1 => Some(value.clone()),
        Expr::Path(_) => Some(value.clone()),
        other => {
            let (gets, example) = match option {
                "unchanged_if" => ("error", "unchanged_if = |error| matches!(error, ApiError::Forbidden)"),
                _ => ("value", "cache_if = |user| user.is_active"),
            };
            let wrong = format!("`{option}` is not a closure that gets the {gets}");
            diagnostics.error_on(other, wrong, format!("write `{example}`"));
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

pub(super) fn flag(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<bool> {
    let flag = boolean(value);
    if flag.is_none() {
        let help = format!("write `{option} = true` or `{option} = false`");
        diagnostics.error_on(value, format!("`{option}` is neither `true` nor `false`"), help);
    }
    flag
}

/// A duration in words.
pub(super) fn duration(value: &Expr, option: &str, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let text = match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.value(),
        // `5s` without quotes is a number with a suffix.
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            let text = format!("{}{}", number.base10_digits(), number.suffix());
            let quoted = duration::parse(&text).is_ok();
            let wrong =
                if quoted { format!("`{option}` is not quoted") } else { format!("`{option}` needs a unit") };
            let help = duration::mistake(option, &text, DurationError::NoUnit, example(option)).1;
            diagnostics.error_on(value, wrong, help);
            return None;
        }
        _ => String::new(),
    };
    let error = match duration::parse(&text) {
        Ok(duration) => return Some(duration),
        Err(error) => error,
    };
    let (wrong, help) = duration::mistake(option, &text, error, example(option));
    diagnostics.error_on(value, wrong, help);
    None
}

/// Beta of XFetch; `false` is 0.
pub(super) fn early_refresh(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
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

pub(super) fn jitter(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
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

pub(super) fn version(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<u32> {
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

pub(super) fn companion(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Option<Ident>> {
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

pub(super) fn path(value: &Expr, _: &str, diagnostics: &mut Diagnostics) -> Option<Path> {
    match value {
        Expr::Path(path) => Some(path.path.clone()),
        other => {
            diagnostics.error_on(other, "`crate` is not a path", "write `crate = ::my_crate::cache_runtime`");
            None
        }
    }
}
