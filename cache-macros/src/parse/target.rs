//! One entry of `invalidates`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprCall, ExprClosure, ExprMethodCall, Lit, LitStr};

use crate::diag::Diagnostics;

/// What a write makes unusable.
#[derive(Clone)]
pub(crate) enum Target {
    /// "users:leaderboard"
    Text(LitStr),
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
            Self::Call(call) => call.to_tokens(tokens),
            Self::Method(call) => call.to_tokens(tokens),
            Self::Made(closure, _) => closure.to_tokens(tokens),
        }
    }
}

impl Target {
    pub(crate) fn parse(expr: &Expr, diagnostics: &mut Diagnostics) -> Option<Self> {
        match expr {
            Expr::Lit(literal) if let Lit::Str(text) = &literal.lit => {
                if text.value().contains('*') {
                    diagnostics.error(text.span(), "patterns are not there yet", "name the keys one by one");
                    return None;
                }
                Some(Self::Text(text.clone()))
            }
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) if path.path.is_ident("tag") => {
                    diagnostics.error_on(path, "`tag(..)` is not there yet", "name the keys one by one");
                    None
                }
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

    fn unfit(expr: &Expr, diagnostics: &mut Diagnostics) -> Option<Self> {
        diagnostics.error_on(
            expr,
            "this is no target of an invalidation",
            "write a key `\"users:leaderboard\"`, a cached function `get_user(id)`, or `|made| get_user(made.id)`",
        );
        None
    }
}
