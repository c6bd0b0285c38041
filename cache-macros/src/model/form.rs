//! How an entry of another function is named in `invalidates`: as the function is called, and on `self`.

use quote::ToTokens as _;
use syn::{Expr, ExprCall, ExprMethodCall, Path};

use crate::{
    diag::Diagnostics,
    parse::{
        function::Function,
        surroundings::{Method, Surroundings},
        target::Target,
    },
};

/// `None` where the target is written in a form that names no entry; then a mistake was recorded.
pub(super) fn check(target: &Target, function: &Function, diagnostics: &mut Diagnostics) -> Option<()> {
    match target {
        Target::Call(call) => check_call(call, function, diagnostics),
        Target::Method(call) => check_method(call, function, diagnostics),
        Target::Text(_) | Target::Tag(..) | Target::Made(..) => Some(()),
    }
}

/// `Self::find(id)`, `get_user::entry(id)`
fn check_call(call: &ExprCall, function: &Function, diagnostics: &mut Diagnostics) -> Option<()> {
    let Expr::Path(path) = &*call.func else { return Some(()) };
    let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let [.., owner, last] = segments.as_slice() else { return Some(()) };
    if last == "entry" {
        let written = without_last(&path.path);
        let help = format!("write `{written}({})`", arguments(call));
        diagnostics.error_on(call, "a target is the call itself, not its entry", help);
        return None;
    }
    if !owner.starts_with(char::is_uppercase) {
        return Some(());
    }
    let is_method = function.surroundings.method(last).is_none_or(|method| method.has_self);
    let help = match function.signature.receiver().is_some() && is_method {
        true => format!("a cached method is named on `self`: write `self.{last}({})`", arguments(call)),
        false => "only functions and methods of `self` have entries: write the key as text, such as `\"user:<id>\"`"
            .to_owned(),
    };
    diagnostics.error_on(call, format!("`{}` does not name a cached function", segments.join("::")), help);
    None
}

/// The arguments of a call, as they were written; a first `self` goes in front of the dot.
fn arguments(call: &ExprCall) -> String {
    let written = call.args.iter().map(|argument| match argument {
        Expr::Reference(reference) => reference.expr.to_token_stream().to_string(),
        other => other.to_token_stream().to_string(),
    });
    written.filter(|argument| argument != "self").collect::<Vec<_>>().join(", ")
}

fn without_last(path: &Path) -> String {
    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    segments[..segments.len() - 1].join("::")
}

/// `self.find(id)` of the same `impl`, as far as the file shows it.
fn check_method(call: &ExprMethodCall, function: &Function, diagnostics: &mut Diagnostics) -> Option<()> {
    let on_self = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
    let Surroundings::Impl { of_trait: false, .. } = &function.surroundings else { return Some(()) };
    let name = call.method.to_string();
    let method = |name: &str| function.surroundings.method(name);
    if !on_self {
        return Some(());
    }
    match (method(&name), name.strip_suffix("_entry").and_then(method)) {
        (Some(Method { cached: false, .. }), _) => {
            let wrong = format!("`{name}` is not a cached method, so it has no entry");
            diagnostics.error(call.method.span(), wrong, "put `#[cached]` on it, or write the key as text");
        }
        (Some(Method { visible: false, .. }), _) => {
            let wrong =
                format!("`{name}` has no visibility, so it has no `{name}_entry` that a target could use");
            let help = format!("write `pub(self) async fn {name}`, which is as private");
            diagnostics.error(call.method.span(), wrong, help);
        }
        (None, Some(_)) => {
            let method = name.trim_end_matches("_entry");
            let arguments = call.args.to_token_stream();
            let help = format!("write `self.{method}({arguments})`");
            diagnostics.error(call.method.span(), "a target is the call itself, not its entry", help);
        }
        _ => return Some(()),
    }
    None
}
