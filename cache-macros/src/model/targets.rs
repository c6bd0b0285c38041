//! What a write makes unusable: strings, tags, entries of other cached functions, before the body or from its result.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{ExprClosure, Ident, LitStr, Type};

use super::{
    foreign::{self, Place},
    form,
    function::{Argument, first_type, mentions},
    key::{KeyPlan, Root, Use},
    mode::{Mode, find},
    placeholder::Scope,
};
use crate::{
    diag::Diagnostics,
    parse::{
        options::Options,
        target::Target,
        template::{Placeholder, Segment, Template},
    },
};

/// A target of an invalidation.
pub(crate) enum TargetPlan {
    /// A string, rendered before the body.
    Text(TextTarget),
    /// A string that needs the result.
    TextOfResult(TextTarget),
    /// A call of another cached function, rendered before the body.
    Entry(Target),
    /// One that needs the result.
    Made(ExprClosure, MadeTarget),
}

/// The inside of `|made| ..`.
pub(crate) enum MadeTarget {
    Text(TextTarget),
    Entry(Target),
}

/// A target that is written as a string.
pub(crate) struct TextTarget {
    pub(crate) kind: TextKind,
    pub(crate) text: KeyPlan,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Key,
    /// All keys that look like it.
    Pattern,
    /// All entries with this tag.
    Tag,
}

impl TargetPlan {
    /// What was written in Rust.
    pub(crate) fn expression(&self) -> Option<TokenStream> {
        match self {
            Self::Text(_) | Self::TextOfResult(_) => None,
            Self::Entry(target) => Some(target.to_token_stream()),
            Self::Made(closure, _) => Some(closure.to_token_stream()),
        }
    }

    /// What was written as a string.
    pub(crate) fn text(&self) -> Option<&TextTarget> {
        match self {
            Self::Text(text) | Self::TextOfResult(text) | Self::Made(_, MadeTarget::Text(text)) => Some(text),
            Self::Entry(_) | Self::Made(_, MadeTarget::Entry(_)) => None,
        }
    }

    /// The key, pattern or tag in it.
    pub(crate) fn key(&self) -> Option<&KeyPlan> {
        self.text().map(|target| &target.text)
    }
}

/// A target that needs the result is rendered when the body has taken the arguments.
fn check_consumed(closure: &ExprClosure, arguments: &[Argument], diagnostics: &mut Diagnostics) {
    let own = closure.inputs.to_token_stream();
    for argument in arguments.iter().filter(|argument| is_consumed(&argument.ty)) {
        for name in argument.names.iter().filter(|name| !mentions(own.clone(), name)) {
            if let Some(found) = find(closure.body.to_token_stream(), name) {
                diagnostics.error(found.span(), consumed(name), consumed_help(name));
            }
        }
    }
}

fn consumed(name: &Ident) -> String {
    format!("`{name}` has been moved by the time the result exists")
}

fn consumed_help(name: &Ident) -> String {
    format!("use a part of the result, or take `{name}` by `&`")
}

/// Whether a type is one of those that everybody knows to be moved. What it does not know, the compiler says.
fn is_consumed(ty: &Type) -> bool {
    const MOVED: [&str; 12] = [
        "String", "Vec", "Box", "Arc", "Rc", "HashMap", "HashSet", "BTreeMap", "BTreeSet", "VecDeque",
        "PathBuf", "Bytes",
    ];
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            MOVED.iter().any(|moved| last.ident == moved)
                || last.ident == "Option" && first_type(&last.arguments).is_some_and(is_consumed)
        }),
        Type::Tuple(tuple) => tuple.elems.iter().any(is_consumed),
        _ => false,
    }
}

/// What `strict` and `settle` fence are keys that are known before the body.
pub(crate) fn check_fences(options: &Options, mode: Option<&Mode>, diagnostics: &mut Diagnostics) {
    if matches!(mode, Some(Mode::Read)) {
        return;
    }
    let strict = options.strict.as_ref().filter(|strict| strict.value);
    let Some(targets) = &options.invalidates else {
        if let Some(strict) = strict {
            diagnostics.error(
                strict.span,
                "`strict` fences the targets of `invalidates`, and there are none",
                "remove it: the function's own key is always fenced",
            );
        }
        return;
    };
    let fences = match (strict, &options.settle) {
        (Some(_), _) => "strict",
        (None, Some(_)) => "settle",
        (None, None) => return,
    };
    for target in &targets.value {
        let (inner, late) = match target {
            Target::Made(_, inner) => (&**inner, true),
            Target::Text(text) => (target, text.value().contains("<return")),
            Target::Tag(..) | Target::Call(_) | Target::Method(_) => (target, false),
        };
        let many = match inner {
            Target::Tag(..) => Some("a tag"),
            Target::Text(text) if text.value().contains('*') => Some("a pattern"),
            _ => None,
        };
        if let Some(many) = many {
            diagnostics.error_on(
                target,
                format!("`{fences}` fences keys, and this target is {many}"),
                format!("name the keys one by one, or remove `{fences}`"),
            );
        } else if late && strict.is_some() {
            diagnostics.error_on(
                target,
                "a strict write fences its targets before its body, and this one needs the result",
                "name the target by the arguments, or write a function of its own for it",
            );
        }
    }
}

/// For [`Template::parse`].
fn option_of(target: &Target) -> &'static str {
    if let Target::Tag(..) = target { "tag" } else { "invalidates" }
}

/// `"tag(org:<org>)"` is a key of that text, which no function has.
fn check_quoted_call(literal: &LitStr, option: &str, diagnostics: &mut Diagnostics) -> Option<()> {
    let text = literal.value();
    let call = text.strip_suffix(')').and_then(|text| text.split_once('('));
    let is_path = |name: &str| {
        let fits = |character: char| character.is_alphanumeric() || matches!(character, '_' | ':' | '.');
        name.starts_with(|first: char| first.is_alphabetic() || first == '_') && name.chars().all(fits)
    };
    let Some((name, inside)) = call.filter(|(name, _)| is_path(name)) else { return Some(()) };
    let help = match (name, option) {
        ("tag", "tag") => format!("write `tag(\"{inside}\")`"),
        ("tag", _) => format!("write `tag(\"{inside}\")`: the quotes belong around the tag alone"),
        _ => format!("write `{text}` without quotes"),
    };
    let wrong = format!("`{name}(..)` in quotes is plain text, not a call");
    diagnostics.error(literal.span(), wrong, help);
    None
}

/// A pattern begins with something that narrows it down. `None` where it does not; then a mistake was recorded.
fn check_pattern(template: &Template, diagnostics: &mut Diagnostics) -> Option<()> {
    let narrow = match template.segments.first() {
        Some(Segment::Literal(literal)) => {
            literal == "*" && template.segments.len() == 1 || !literal.starts_with('*')
        }
        Some(Segment::Placeholder(_)) | None => false,
    };
    if !narrow {
        diagnostics.error(
            template.span(),
            "this pattern begins with no text of its own, so it would walk over all keys",
            "begin it with text, such as `\"user:<id>:*\"`; `\"*\"` alone means everything in the namespace",
        );
    }
    let open = template.segments.windows(2).find_map(|pair| match pair {
        [Segment::Placeholder(placeholder), Segment::Literal(literal)] if literal.starts_with('*') => {
            Some(placeholder)
        }
        _ => None,
    });
    if let Some(Placeholder { at, .. }) = open {
        let wrong = format!("with `*` right behind it, `4` also matches `42`{}", template.caret(at));
        diagnostics.error(template.span(), wrong, "put a `:` between them, as in `\"user:<id>:*\"`");
    }
    (narrow && open.is_none()).then_some(())
}

pub(crate) fn targets(options: &Options, scope: Scope<'_>, diagnostics: &mut Diagnostics) -> Vec<TargetPlan> {
    let arguments = scope.arguments;
    let targets = options.invalidates.iter().flat_map(|targets| &targets.value);
    let text = |literal, option, diagnostics: &mut Diagnostics| {
        check_quoted_call(literal, option, diagnostics)?;
        let template = Template::parse(literal, option, diagnostics)?;
        if foreign::check(&template, Place::ELSEWHERE, scope, diagnostics) {
            return None;
        }
        let kind = match option {
            "tag" => TextKind::Tag,
            _ if template.is_pattern() => TextKind::Pattern,
            _ => TextKind::Key,
        };
        if kind == TextKind::Pattern {
            check_pattern(&template, diagnostics)?;
        }
        let text = KeyPlan::new(&template, scope, Use::Target, diagnostics);
        let needs_result = text.roots().any(|root| matches!(root, Root::Return));
        Some((TextTarget { kind, text }, needs_result))
    };
    targets
        .filter_map(|target| {
            Some(match target {
                Target::Text(literal) | Target::Tag(_, literal) => {
                    match text(literal, option_of(target), diagnostics)? {
                        (target, false) => TargetPlan::Text(target),
                        (target, true) => {
                            for index in target.text.arguments() {
                                let Argument { names, ty, .. } = &arguments[index];
                                if let (true, Some(name)) = (is_consumed(ty), names.first()) {
                                    diagnostics.error(literal.span(), consumed(name), consumed_help(name));
                                }
                            }
                            TargetPlan::TextOfResult(target)
                        }
                    }
                }
                Target::Call(_) | Target::Method(_) => {
                    form::check(target, scope.function, diagnostics)?;
                    TargetPlan::Entry(target.clone())
                }
                Target::Made(closure, inner) => {
                    check_consumed(closure, arguments, diagnostics);
                    let inner = match &**inner {
                        inner @ (Target::Text(literal) | Target::Tag(_, literal)) => {
                            MadeTarget::Text(text(literal, option_of(inner), diagnostics)?.0)
                        }
                        other => {
                            form::check(other, scope.function, diagnostics)?;
                            MadeTarget::Entry(other.clone())
                        }
                    };
                    TargetPlan::Made(closure.clone(), inner)
                }
            })
        })
        .collect()
}
