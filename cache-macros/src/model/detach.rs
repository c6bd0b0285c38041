//! Whether a load, or a write, may outlive its caller: by spelling here, by types in the expansion.

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{GenericParam, Generics, Ident, ReceiverKind, ReturnType, Type, TypeParamBound, WherePredicate};

use super::{
    batch::is_batch,
    function::{Argument, Companion, mentions},
    mode::{Mode, find},
    placeholder::Scope,
    policy::TtlPlan,
    targets::{MadeTarget, TargetPlan},
};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, options::Options},
};

/// What becomes of a load, or of a write, whose caller goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    /// It ends with it.
    No,
    /// It goes on where its future is `Send` and its arguments can be made owned: the compiler finds out.
    Probe,
    /// It goes on, or it is a mistake.
    Yes,
}

/// Why it cannot go on.
struct Obstacle {
    at: TokenStream,
    why: String,
    help: String,
}

impl Detach {
    pub(crate) fn new(
        scope: Scope<'_>,
        options: &Options,
        mode: Option<&Mode>,
        ttl: Option<&TtlPlan>,
        targets: &[TargetPlan],
        companion: &Companion,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let Scope { function, arguments, .. } = scope;
        // The body of a batch belongs to its caller.
        if mode.is_none() || is_batch(options) {
            return Self::No;
        }
        let detach = options.detach.as_ref();
        // What asks for it. On a write, how long its value may be stale is of no interest here.
        let reads = matches!(mode, Some(Mode::Read));
        let asked = [
            ("detach", detach.filter(|detach| detach.value).map(|detach| detach.span)),
            ("stale_while_revalidate", options.stale_while_revalidate.as_ref().map(|option| option.span)),
            (
                "early_refresh",
                options.early_refresh.as_ref().filter(|beta| beta.value > 0.0).map(|option| option.span),
            ),
        ];
        let asked = asked.into_iter().filter(|(name, _)| reads || *name == "detach");
        let asked = asked.into_iter().find_map(|(name, span)| Some((name, span?)));
        let obstacle = obstacle(function, options, arguments, ttl, companion);
        let obstacle = obstacle.or_else(|| late_target(targets, arguments));
        match (detach.is_some_and(|detach| !detach.value), asked, obstacle) {
            (true, Some((name, span)), _) => {
                diagnostics.error(
                    span,
                    format!("`{name}` loads in the background, which `detach = false` forbids"),
                    "remove one of the two",
                );
                Self::No
            }
            (true, None, _) => Self::No,
            (false, Some((name, _)), Some(obstacle)) => {
                let Obstacle { at, why, help } = obstacle;
                let wrong = match name {
                    "detach" => format!("`{}` cannot be detached: {why}", function.signature.ident),
                    name => format!("`{name}` needs a load that can go on in the background: {why}"),
                };
                diagnostics.error_on(&at, wrong, help);
                Self::No
            }
            (false, Some(_), None) => Self::Yes,
            // A copy of `self` for each load is nothing that anybody expects.
            (false, None, None) if matches!(companion, Companion::Type(_)) => Self::Probe,
            (false, None, _) => Self::No,
        }
    }
}

fn obstacle(
    function: &Function,
    options: &Options,
    arguments: &[Argument],
    ttl: Option<&TtlPlan>,
    companion: &Companion,
) -> Option<Obstacle> {
    let signature = &function.signature;
    let name = &signature.ident;
    if matches!(companion, Companion::None) {
        return Some(Obstacle {
            at: name.to_token_stream(),
            why: "it has no companion that a load could call".to_owned(),
            help: "move the body into a free function and cache that".to_owned(),
        });
    }
    if function.body.as_ref().is_some_and(|body| find(body.clone(), name).is_some()) {
        return Some(Obstacle {
            at: name.to_token_stream(),
            why: "it calls itself".to_owned(),
            help: "move the recursion into a function of its own".to_owned(),
        });
    }
    if let Some(receiver) = signature.receiver()
        && matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
    {
        return Some(Obstacle {
            at: receiver.to_token_stream(),
            why: "it borrows `self` mutably".to_owned(),
            help: "take `&self`".to_owned(),
        });
    }
    if let ReturnType::Type(_, output) = &signature.output
        && borrows(output.to_token_stream())
    {
        return Some(Obstacle {
            at: output.to_token_stream(),
            why: "what it returns borrows from the caller".to_owned(),
            help: "write an `async fn` whose result and arguments are owned".to_owned(),
        });
    }
    for parameter in &signature.generics.params {
        if let GenericParam::Type(parameter) = parameter
            && !is_static(&signature.generics, &parameter.ident)
        {
            let ident = &parameter.ident;
            return Some(Obstacle {
                at: ident.to_token_stream(),
                why: format!("`{ident}` may be borrowed from the caller"),
                help: format!("add the bound `{ident}: 'static`"),
            });
        }
    }
    for argument in arguments {
        let why = match &argument.ty {
            Type::Reference(reference) if reference.mutability.is_some() => "borrowed mutably",
            Type::Reference(reference) if borrows(reference.elem.to_token_stream()) => "a borrow of a borrow",
            ty if mentions(ty.to_token_stream(), &Ident::new("impl", Span::call_site())) => {
                "an `impl` type, which may be borrowed from the caller"
            }
            Type::Reference(_) => continue,
            ty if borrows(ty.to_token_stream()) => "borrowed from the caller",
            _ => continue,
        };
        return Some(Obstacle {
            at: argument.ty.to_token_stream(),
            why: format!("this argument is {why}"),
            help: "take it by value, or as `&T` of a `T` that can be cloned".to_owned(),
        });
    }
    let closures = [
        options.cache_if.as_ref().map(|option| &option.value).map(|expr| expr.to_token_stream()),
        options.unchanged_if.as_ref().map(|option| &option.value).map(|expr| expr.to_token_stream()),
        match ttl {
            Some(TtlPlan::FromValue(closure)) => Some(closure.to_token_stream()),
            _ => None,
        },
    ];
    for closure in closures.into_iter().flatten() {
        let names = arguments.iter().flat_map(|argument| &argument.names);
        let own = Ident::new("self", Span::call_site());
        if let Some(name) = names.chain([&own]).find(|name| mentions(closure.clone(), name)) {
            return Some(Obstacle {
                at: closure,
                why: format!("this closure uses `{name}`, which is the caller's"),
                help: "decide by the value alone".to_owned(),
            });
        }
    }
    None
}

/// A target that is made after the body, from what the body has taken over.
fn late_target(targets: &[TargetPlan], arguments: &[Argument]) -> Option<Obstacle> {
    let own = Ident::new("self", Span::call_site());
    let names = || arguments.iter().flat_map(|argument| &argument.names).chain([&own]);
    targets.iter().find_map(|target| {
        let at = match target {
            TargetPlan::TextOfResult(target) if !target.text.arguments().is_empty() => {
                let mut literal = Literal::string(&target.text.template);
                literal.set_span(target.text.span);
                literal.to_token_stream()
            }
            TargetPlan::Made(closure, MadeTarget::Text(target)) if !target.text.arguments().is_empty() => {
                closure.to_token_stream()
            }
            TargetPlan::Made(closure, _) if names().any(|name| mentions(closure.to_token_stream(), name)) => {
                closure.to_token_stream()
            }
            _ => return None,
        };
        Some(Obstacle {
            at,
            why: "this target needs the result and an argument".to_owned(),
            help: "take all that the target needs from the result".to_owned(),
        })
    })
}

/// Whether a type parameter is said to be `'static`.
fn is_static(generics: &Generics, parameter: &Ident) -> bool {
    let is_static = |bound: &TypeParamBound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static");
    let own = generics.type_params().filter(|found| found.ident == *parameter);
    let mut own = own.flat_map(|found| &found.bounds);
    let predicates = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let mut predicates = predicates.filter_map(|predicate| match predicate {
        WherePredicate::Type(predicate)
            if matches!(&predicate.bounded_ty, Type::Path(path) if path.path.is_ident(parameter)) =>
        {
            Some(&predicate.bounds)
        }
        _ => None,
    });
    own.any(is_static) || predicates.any(|bounds| bounds.iter().any(is_static))
}

/// Whether a type is spelled with a reference, or with a lifetime other than `'static`.
fn borrows(ty: TokenStream) -> bool {
    let mut tokens = ty.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let next_is_static = |tokens: &mut std::iter::Peekable<proc_macro2::token_stream::IntoIter>| {
            tokens.next_if(|next| matches!(next, TokenTree::Ident(ident) if ident == "static")).is_some()
        };
        let found = match token {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => !next_is_static(&mut tokens),
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let lifetime =
                    tokens.next_if(|next| matches!(next, TokenTree::Punct(punct) if punct.as_char() == '\''));
                lifetime.is_none() || !next_is_static(&mut tokens)
            }
            TokenTree::Group(group) => borrows(group.stream()),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// What is for functions that read, or for those that write, and stands on one of the other kind.
pub(crate) fn check_kind(options: &Options, mode: Option<&Mode>, diagnostics: &mut Diagnostics) {
    let Some(mode) = mode else { return };
    let (forbidden, kind): (&[&str], &str) = match mode {
        Mode::Read => (&["settle", "strict", "unchanged_if"], "write"),
        Mode::WriteThrough { .. } | Mode::Invalidate => (&["early_refresh", "load_timeout", "local"], "read"),
    };
    options.forbid(forbidden, diagnostics, |name| {
        (format!("`{name}` is for functions that {kind}"), format!("remove `{name}`"))
    });
}
