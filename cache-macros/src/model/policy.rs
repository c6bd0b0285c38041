//! How long, and whether at all.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::{Expr, ExprClosure, Lit};

use crate::{
    diag::Diagnostics,
    parse::{
        Spanned,
        duration::{self, DurationError},
        options::Options,
    },
    suggest,
};

/// The names of the classes, and of their variants.
pub(crate) const CLASSES: [(&str, &str); 5] = [
    ("REALTIME", "Realtime"),
    ("FREQUENT", "Frequent"),
    ("STANDARD", "Standard"),
    ("REFERENCE", "Reference"),
    ("STATIC", "Static"),
];

#[derive(Clone)]
pub(crate) enum TtlPlan {
    /// Name and variant of a class.
    Class(&'static str, &'static str),
    For(Duration),
    /// An expression of type `Ttl` or `Duration`.
    Expression(Expr),
    /// From the value that was loaded.
    FromValue(ExprClosure),
}

pub(crate) struct PolicyPlan {
    pub(crate) ttl: Option<TtlPlan>,
    pub(crate) negative_ttl: Option<TtlPlan>,
    /// Where `negative_ttl` is, or what stands for it.
    pub(crate) negative_span: Span,
    pub(crate) jitter: Option<f64>,
    pub(crate) cache_if: Option<Expr>,
    /// Of a write: which errors say that it has changed nothing.
    pub(crate) unchanged_if: Option<Expr>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    pub(crate) early_refresh: Option<f64>,
    pub(crate) load_timeout: Option<Duration>,
    pub(crate) settle: Option<Duration>,
    pub(crate) strict: bool,
    /// `Some(None)` for no local level.
    pub(crate) local: Option<Option<Duration>>,
}

impl PolicyPlan {
    pub(crate) fn new(options: &Options, diagnostics: &mut Diagnostics) -> Self {
        let ttl = options.ttl.as_ref().and_then(|ttl| TtlPlan::new(ttl, "ttl", diagnostics));
        let negative = options.negative_ttl.as_ref();
        let negative_ttl = negative.and_then(|ttl| TtlPlan::new(ttl, "negative_ttl", diagnostics));
        if let (Some(TtlPlan::Expression(_) | TtlPlan::FromValue(_)), Some(negative)) =
            (&negative_ttl, negative)
        {
            diagnostics.error(
                negative.span,
                "`negative_ttl` is neither a class nor a duration",
                "write `negative_ttl = \"30s\"` or `negative_ttl = \"REALTIME\"`",
            );
        }
        if let (Some(TtlPlan::For(ttl)), Some(Spanned { value: Some(local), span })) = (&ttl, &options.local)
            && local > ttl
        {
            let (local, ttl) = (duration::show(*local), duration::show(*ttl));
            diagnostics.error(
                *span,
                format!("`local` ({local}) outlives `ttl` ({ttl})"),
                format!("lower it to {ttl}"),
            );
        }
        Self {
            ttl,
            negative_ttl,
            negative_span: negative.map_or_else(Span::call_site, |negative| negative.span),
            jitter: value(&options.jitter),
            cache_if: options.cache_if.as_ref().map(|cache_if| cache_if.value.clone()),
            unchanged_if: options.unchanged_if.as_ref().map(|unchanged_if| unchanged_if.value.clone()),
            stale_while_revalidate: value(&options.stale_while_revalidate),
            stale_if_error: value(&options.stale_if_error),
            early_refresh: value(&options.early_refresh),
            load_timeout: value(&options.load_timeout),
            settle: value(&options.settle),
            strict: value(&options.strict).unwrap_or(false),
            local: value(&options.local),
        }
    }

    /// The label in metrics.
    pub(crate) fn class(&self) -> &'static str {
        match &self.ttl {
            Some(TtlPlan::Class(name, _)) => name,
            Some(_) => "custom",
            None => "",
        }
    }
}

fn value<T: Copy>(option: &Option<Spanned<T>>) -> Option<T> {
    option.as_ref().map(|option| option.value)
}

impl TtlPlan {
    /// What was written in Rust.
    pub(crate) fn expression(&self) -> Option<TokenStream> {
        match self {
            Self::Class(..) | Self::For(_) => None,
            Self::Expression(expression) => Some(expression.to_token_stream()),
            Self::FromValue(closure) => Some(closure.to_token_stream()),
        }
    }

    fn new(ttl: &Spanned<Expr>, option: &str, diagnostics: &mut Diagnostics) -> Option<Self> {
        match &ttl.value {
            Expr::Closure(closure) if closure.inputs.len() == 1 => Some(Self::FromValue(closure.clone())),
            Expr::Lit(literal) => match literal_plan(&literal.lit, option) {
                Ok(plan) => Some(plan),
                Err((wrong, help)) => {
                    diagnostics.error(ttl.span, wrong, help);
                    None
                }
            },
            Expr::Path(path) if CLASSES.iter().any(|(name, _)| path.path.is_ident(name)) => {
                let name = path.to_token_stream();
                let help = format!("write `{option} = \"{name}\"`; a constant of yours is `self::{name}`");
                diagnostics.error(ttl.span, format!("the TTL class `{name}` is not quoted"), help);
                None
            }
            other => Some(Self::Expression(other.clone())),
        }
    }
}

/// A class or a duration, or what is wrong and what to type.
fn literal_plan(literal: &Lit, option: &str) -> Result<TtlPlan, (String, String)> {
    let text = match literal {
        Lit::Str(text) => text.value(),
        Lit::Int(number) => {
            let text = format!("{}{}", number.base10_digits(), number.suffix());
            let (wrong, help) = duration::mistake(option, &text, DurationError::NoUnit, EXAMPLE);
            let quoted = duration::parse(&text).is_ok();
            return Err((if quoted { format!("`{option}` is not quoted") } else { wrong }, help));
        }
        _ => {
            let help = format!("write `{option} = {EXAMPLE}` or `{option} = \"STANDARD\"`");
            return Err((format!("`{option}` is not a duration"), help));
        }
    };
    if let Some((name, variant)) = CLASSES.into_iter().find(|(name, _)| *name == text) {
        return Ok(TtlPlan::Class(name, variant));
    }
    match duration::parse(&text) {
        Ok(duration) => Ok(TtlPlan::For(duration)),
        Err(DurationError::Malformed) if duration::meant(&text).is_none() => Err(unknown_class(&text)),
        Err(error) => Err(duration::mistake(option, &text, error, EXAMPLE)),
    }
}

const EXAMPLE: &str = "\"5m\"";

/// A text that is neither a class nor something like a duration.
fn unknown_class(text: &str) -> (String, String) {
    let names = CLASSES.map(|(name, _)| name);
    if text.chars().all(|character| character.is_ascii_uppercase()) {
        let all = || {
            let names = suggest::list(&names.map(str::to_owned));
            format!("use one of {names}, or a duration such as `\"5m\"`")
        };
        return (format!("unknown TTL class `{text}`"), suggest::or(text, names, all));
    }
    let otherwise =
        || "write a duration such as `\"90s\"` or `\"1h 30m\"`, or a class such as `\"STANDARD\"`".to_owned();
    let help = suggest::or(&text.to_ascii_uppercase(), names, otherwise);
    (format!("`{text}` is neither a duration nor a TTL class"), help)
}
