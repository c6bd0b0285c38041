//! One entry of `invalidates`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprCall, ExprClosure, ExprLit, ExprMethodCall, Lit, LitStr};

use super::list::ungrouped;
use crate::diag::Diagnostics;

/// What a write makes unusable.
#[derive(Clone)]
pub(crate) enum Target {
    /// "users:leaderboard", "user:<id>:*"
    Text(LitStr),
    /// `tag("org:<org>")`
    Tag(ExprCall, LitStr),
    /// `get_user(id)`
    Call(ExprCall),
    /// `self.find(id)`
    Method(ExprMethodCall),
    /// `|made| get_user(made.id)`
    Made(ExprClosure, Box<Self>),
}

impl ToTokens for Target {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Text(text) => text.to_tokens(tokens),
            Self::Call(call) | Self::Tag(call, _) => call.to_tokens(tokens),
            Self::Method(call) => call.to_tokens(tokens),
            Self::Made(closure, _) => closure.to_tokens(tokens),
        }
    }
}

impl Target {
    pub(crate) fn parse(expr: &Expr, diagnostics: &mut Diagnostics) -> Option<Self> {
        match expr {
            Expr::Lit(literal) if let Lit::Str(text) = &literal.lit => Some(Self::Text(text.clone())),
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) if path.path.is_ident("tag") => Self::tag(call, diagnostics),
                Expr::Path(_) => Some(Self::Call(call.clone())),
                other => Self::unfit(other, diagnostics),
            },
            Expr::MethodCall(call) => Some(Self::Method(call.clone())),
            Expr::Closure(closure) if closure.inputs.len() == 1 => {
                let inner = Self::parse(&closure.body, diagnostics)?;
                if let Self::Made(..) = inner {
                    return Self::unfit(&closure.body, diagnostics);
                }
                Some(Self::Made(closure.clone(), Box::new(inner)))
            }
            other => Self::unfit(other, diagnostics),
        }
    }

    fn tag(call: &ExprCall, diagnostics: &mut Diagnostics) -> Option<Self> {
        let arguments: Vec<Expr> = call.args.iter().cloned().map(ungrouped).collect();
        let is_text = |argument: &Expr| matches!(argument, Expr::Lit(ExprLit { lit: Lit::Str(_), .. }));
        if let [Expr::Lit(ExprLit { lit: Lit::Str(text), .. })] = &arguments[..] {
            return Some(Self::Tag(call.clone(), text.clone()));
        }
        let at = if call.args.is_empty() { call.to_token_stream() } else { call.args.to_token_stream() };
        let function = match arguments.iter().all(is_text) {
            true => "",
            false => "; a cached function of this name is `self::tag(..)`",
        };
        diagnostics.error_on(&at, "`tag` takes one string", format!("write `tag(\"org:<org>\")`{function}"));
        None
    }

    fn unfit(expr: &Expr, diagnostics: &mut Diagnostics) -> Option<Self> {
        diagnostics.error_on(
            expr,
            "this is not a target of an invalidation",
            "write a key `\"users:leaderboard\"`, a pattern `\"user:<id>:*\"`, `tag(\"org:<org>\")`, a cached function `get_user(id)`, or `|made| get_user(made.id)`",
        );
        None
    }
}
