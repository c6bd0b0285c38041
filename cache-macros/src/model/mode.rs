//! Cache-aside, write-through, or only invalidating: what each needs and forbids.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{ExprClosure, Ident, Type};

use super::{
    function::{Argument, first_type, mentions},
    key::{KeyPlan, Root},
    output,
};
use crate::{
    diag::Diagnostics,
    parse::{
        function::Function,
        options::Options,
        target::Target,
        template::{Placeholder, Segment, Template},
    },
    suggest,
};

pub(crate) enum Mode {
    /// Look up, on a miss run the body and store.
    Read,
    /// Run the body, store its result or this argument.
    WriteThrough { value: Option<Ident> },
    /// Run the body, store nothing.
    Invalidate,
}

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

impl Mode {
    pub(crate) fn new(
        function: &Function,
        options: &Options,
        arguments: &[Argument],
        output: Option<&Type>,
        mut written: TokenStream,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let (key, ttl, invalidates) =
            (options.given("key"), options.given("ttl"), options.given("invalidates"));
        if !key && !ttl && invalidates {
            forbid_without_key(options, diagnostics);
            return Some(Self::Invalidate);
        }
        if written.is_empty() {
            // All of `#[cached]`, without a note that a macro has reported it.
            let whole = function.signature.ident.span().located_at(Span::call_site());
            written = Ident::new("cached", whole).to_token_stream();
        }
        if !key {
            let skipped = |name: &&Ident| options.skip.iter().flatten().any(|skipped| skipped == *name);
            let names = arguments.iter().flat_map(|argument| &argument.names).filter(|name| !skipped(name));
            let placeholders: String = names.map(|name| format!(":<{name}>")).collect();
            let help = format!("add `key = \"{}{placeholders}\"`", function.signature.ident);
            diagnostics.error_on(&written, "`key` is missing", help);
        }
        if !ttl {
            diagnostics.error_on(
                &written,
                "`ttl` is missing",
                "add `ttl = \"STANDARD\"` (1 hour), or a duration: `ttl = \"5m\"`",
            );
        }
        let write = match &options.mode {
            None => invalidates || options.value.is_some(),
            Some(mode) => match mode.value.as_str() {
                "write-through" => true,
                "cache-aside" => {
                    if options.invalidates.is_some() {
                        diagnostics.error(
                            mode.span,
                            "a function that reads cannot invalidate",
                            "remove `mode = \"cache-aside\"`: with `invalidates` the function is write-through",
                        );
                    }
                    if let Some(value) = &options.value {
                        diagnostics.error(
                            value.span,
                            "`value` is for functions that write",
                            "remove `value`",
                        );
                    }
                    false
                }
                "write-behind" => {
                    diagnostics.error(
                        mode.span,
                        "`write-behind` is not there yet",
                        "write `mode = \"write-through\"`",
                    );
                    return None;
                }
                other => {
                    let modes = ["cache-aside", "write-through"];
                    let help =
                        suggest::or(other, modes, || "use `cache-aside` or `write-through`".to_owned());
                    diagnostics.error(mode.span, format!("unknown mode `{other}`"), help);
                    return None;
                }
            },
        };
        if !write {
            if let Some(output @ Type::Tuple(tuple)) = output
                && tuple.elems.is_empty()
            {
                let name = &function.signature.ident;
                diagnostics.error_on(
                    output,
                    format!("`{name}` returns nothing that could be cached"),
                    "return the value to cache, or remove `#[cached]`",
                );
            }
            return Some(Self::Read);
        }
        let value = match &options.value {
            None => {
                if let Some(output) = output.filter(|output| output::is_unit(output)) {
                    let name = &function.signature.ident;
                    diagnostics.error_on(
                        output,
                        format!("`{name}` returns nothing that could be cached"),
                        "name the argument to cache with `value = \"..\"`, or drop `key` and `ttl` to only invalidate",
                    );
                }
                None
            }
            Some(value) => {
                let all = || arguments.iter().flat_map(|argument| &argument.names);
                let Some(name) = all().find(|name| **name == value.value) else {
                    let names: Vec<String> = all().map(ToString::to_string).collect();
                    let help = suggest::or(&value.value, names.iter().map(String::as_str), || {
                        match names.is_empty() {
                            true => "remove `value`: there are no arguments".to_owned(),
                            false => format!("use {}", suggest::list(&names)),
                        }
                    });
                    let wrong =
                        format!("`{}` is not an argument of `{}`", value.value, function.signature.ident);
                    diagnostics.error(value.span, wrong, help);
                    return None;
                };
                Some(name.clone())
            }
        };
        Some(Self::WriteThrough { value })
    }
}

/// What makes no sense where nothing is stored.
fn forbid_without_key(options: &Options, diagnostics: &mut Diagnostics) {
    let spans = [
        ("mode", options.mode.as_ref().map(|option| option.span)),
        ("value", options.value.as_ref().map(|option| option.span)),
        ("negative_ttl", options.negative_ttl.as_ref().map(|option| option.span)),
        ("jitter", options.jitter.as_ref().map(|option| option.span)),
        ("stale_while_revalidate", options.stale_while_revalidate.as_ref().map(|option| option.span)),
        ("stale_if_error", options.stale_if_error.as_ref().map(|option| option.span)),
        ("cache_if", options.cache_if.as_ref().map(|option| option.span)),
        ("bypass_if", options.bypass_if.as_ref().map(|option| option.span)),
        ("version", options.version.as_ref().map(|option| option.span)),
        ("tags", options.tags.as_ref().map(|option| option.span)),
        ("skip", options.skip.as_ref().and_then(|names| names.first()).map(Ident::span)),
    ];
    for (name, span) in spans {
        let Some(span) = span else { continue };
        diagnostics.error(
            span,
            format!("`{name}` has no meaning without `key` and `ttl`: this function stores nothing"),
            format!("remove `{name}`, or add `key` and `ttl`"),
        );
    }
}

/// A write inside of a transaction is not committed when the function returns.
pub(crate) fn check_transactions(arguments: &[Argument], diagnostics: &mut Diagnostics) {
    for argument in arguments {
        let mut ty = &argument.ty;
        while let Type::Reference(reference) = ty {
            ty = &reference.elem;
        }
        if let Type::Path(path) = ty
            && path.path.segments.last().is_some_and(|last| last.ident == "Transaction")
        {
            diagnostics.error_on(
                &argument.ty,
                "what happens in a transaction is not committed when this function returns",
                "annotate the function that commits",
            );
        }
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
    format!("the function has taken `{name}` when its result is there")
}

fn consumed_help(name: &Ident) -> String {
    format!("use a part of the result, or take `{name}` by `&`")
}

/// A variable or function of this name, not a field or method.
pub(super) fn find(tokens: TokenStream, name: &Ident) -> Option<Ident> {
    let mut behind_dot = false;
    tokens.into_iter().find_map(|token| {
        let is_field = std::mem::replace(
            &mut behind_dot,
            matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.'),
        );
        match token {
            TokenTree::Ident(found) => (found == *name && !is_field).then_some(found),
            TokenTree::Group(group) => find(group.stream(), name),
            TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        }
    })
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

pub(crate) fn targets(
    options: &Options,
    function: &Function,
    arguments: &[Argument],
    diagnostics: &mut Diagnostics,
) -> Vec<TargetPlan> {
    let targets = options.invalidates.iter().flat_map(|targets| &targets.value);
    let text = |literal, option, diagnostics: &mut Diagnostics| {
        let template = Template::parse(literal, option, diagnostics)?;
        let kind = match option {
            "tag" => TextKind::Tag,
            _ if template.is_pattern() => TextKind::Pattern,
            _ => TextKind::Key,
        };
        if kind == TextKind::Pattern {
            check_pattern(&template, diagnostics)?;
        }
        let text = KeyPlan::of_target(&template, function, arguments, diagnostics);
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
                Target::Call(_) | Target::Method(_) => TargetPlan::Entry(target.clone()),
                Target::Made(closure, inner) => {
                    check_consumed(closure, arguments, diagnostics);
                    let inner = match &**inner {
                        inner @ (Target::Text(literal) | Target::Tag(_, literal)) => {
                            MadeTarget::Text(text(literal, option_of(inner), diagnostics)?.0)
                        }
                        other => MadeTarget::Entry(other.clone()),
                    };
                    TargetPlan::Made(closure.clone(), inner)
                }
            })
        })
        .collect()
}
