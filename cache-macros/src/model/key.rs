//! Which arguments enter the key, in which order.

use std::collections::BTreeSet;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{GenericParam, Ident, Signature, Type, ext::IdentExt as _};

use super::{
    batch::{Batch, Element},
    function::{Argument, mentions},
};
use crate::{
    diag::Diagnostics,
    parse::{
        function::Function,
        options::Options,
        template::{Placeholder, Segment, Step, Template},
    },
    suggest,
};

/// What a template is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Key,
    Tag,
    Target,
}

impl Use {
    fn noun(self) -> &'static str {
        match self {
            Self::Key | Self::Target => "key",
            Self::Tag => "tag",
        }
    }
}

/// A key, ready to be written.
#[derive(Clone)]
pub(crate) struct KeyPlan {
    /// As it was written.
    pub(crate) template: String,
    pub(crate) pieces: Vec<Piece>,
    /// Arguments that a wrong placeholder most likely means.
    meant: BTreeSet<usize>,
    /// Wrong placeholders that could mean any argument.
    unknown: usize,
    /// A placeholder may be in a pattern that nobody can see.
    pub(crate) searched: bool,
    is_tag: bool,
}

#[derive(Clone)]
pub(crate) enum Piece {
    Literal(String),
    Part {
        root: Root,
        path: Vec<Step>,
        /// First byte of the literal behind it; 0 for `:` and the end.
        stop: u8,
        span: Span,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// The whole of an argument, by its place.
    Argument(usize),
    /// A name that an argument's pattern binds.
    Bound(usize, Ident),
    SelfValue,
    Type(Ident),
    Const(Ident),
    /// One of the list of a batch.
    Element,
    /// The result, in targets only.
    Return,
}

impl KeyPlan {
    /// Where placeholders are wrong, mistakes are recorded and the plan lacks them.
    pub(crate) fn new(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        element: Option<Element<'_>>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self::with(template, function, arguments, element, Use::Key, diagnostics)
    }

    /// Of one of the `tags`.
    pub(crate) fn of_tag(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        element: Option<Element<'_>>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self::with(template, function, arguments, element, Use::Tag, diagnostics)
    }

    /// Of a string target, or of a tag that is one: it may use the result.
    pub(crate) fn of_target(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self::with(template, function, arguments, None, Use::Target, diagnostics)
    }

    fn with(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        element: Option<Element<'_>>,
        purpose: Use,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let template_text = template.literal.value();
        let (pieces, meant) = (Vec::new(), BTreeSet::new());
        let is_tag = purpose == Use::Tag;
        let mut plan = Self { template: template_text, pieces, meant, unknown: 0, searched: false, is_tag };
        for (at, segment) in template.segments.iter().enumerate() {
            match segment {
                Segment::Literal(literal) => plan.pieces.push(Piece::Literal(literal.clone())),
                Segment::Placeholder(placeholder) => {
                    let stop = match template.segments.get(at + 1) {
                        None => 0,
                        Some(Segment::Literal(literal)) => stop(literal),
                        Some(Segment::Placeholder(next)) => {
                            let both = placeholder.at.start..next.at.end;
                            diagnostics.error(
                                template.span(),
                                format!("nothing separates two arguments{}", template.caret(&both)),
                                format!(
                                    "put a `:` between them, else `1` and `23` make the same {} as `12` and `3`",
                                    purpose.noun()
                                ),
                            );
                            0
                        }
                    };
                    let Some(root) =
                        plan.root(placeholder, template, function, arguments, element, purpose, diagnostics)
                    else {
                        continue;
                    };
                    if let Root::Argument(index) | Root::Bound(index, _) = &root
                        && placeholder.path.is_empty()
                        && let Type::Reference(reference) = &arguments[*index].ty
                        && reference.mutability.is_some()
                    {
                        let name = &placeholder.root;
                        diagnostics.error_on(
                            &arguments[*index].ty,
                            format!(
                                "`{name}` can change while the function runs, so it cannot be part of a {}",
                                purpose.noun()
                            ),
                            format!("take `{name}` by value or by `&`"),
                        );
                    }
                    let path = placeholder.path.clone();
                    plan.pieces.push(Piece::Part { root, path, stop, span: template.span() });
                }
            }
        }
        plan
    }

    /// The places of the arguments that are used.
    pub(crate) fn arguments(&self) -> BTreeSet<usize> {
        self.roots()
            .filter_map(|root| match root {
                Root::Argument(index) | Root::Bound(index, _) => Some(*index),
                Root::SelfValue | Root::Type(_) | Root::Const(_) | Root::Element | Root::Return => None,
            })
            .collect()
    }

    /// Whether a part of it is what an argument's pattern binds to this name.
    pub(crate) fn binds(&self, name: &Ident) -> bool {
        self.roots().any(|root| matches!(root, Root::Bound(_, bound) if bound == name))
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Part { root, .. } => Some(root),
        })
    }

    /// Whether all that it is made of is in `key`, too, so that one key always goes with the same text.
    pub(crate) fn follows_from(&self, key: &Self) -> bool {
        let parts = |plan: &'_ Self| {
            let part = |piece: &Piece| match piece {
                Piece::Literal(_) => None,
                Piece::Part { root, path, .. } => Some((root.clone(), path.clone())),
            };
            plan.pieces.iter().filter_map(part).collect::<Vec<_>>()
        };
        let in_key = parts(key);
        parts(self).iter().all(|part| in_key.contains(part))
    }

    /// What stands for one of the list of a batch is in the key, and the list itself is not.
    pub(crate) fn check_batch(
        &self,
        template: &Template,
        batch: &Batch,
        list: &Ident,
        diagnostics: &mut Diagnostics,
    ) {
        let element = &batch.element;
        if self.arguments().contains(&batch.list) {
            diagnostics.error(
                template.span(),
                format!("`<{list}>` is the whole list, and each entry is of one of them"),
                format!("write `<{element}>`"),
            );
        } else if !self.is_tag
            && self.unknown == 0
            && self.meant.is_empty()
            && !self.roots().any(|root| *root == Root::Element)
        {
            diagnostics.error(
                template.span(),
                format!("`<{element}>` is not in `key`, so the entries of a batch would share one"),
                format!("add `<{element}>` to `key`"),
            );
        }
    }

    /// Each argument of a function that reads is in the key, or skipped: a forgotten one serves one caller's answer to
    /// another.
    pub(crate) fn check_coverage(
        &self,
        function: &Ident,
        arguments: &[Argument],
        skipped: &BTreeSet<usize>,
        diagnostics: &mut Diagnostics,
    ) {
        let used = self.arguments();
        let is_open = |index: &usize| {
            !used.contains(index)
                && !skipped.contains(index)
                && !self.meant.contains(index)
                && !arguments[*index].hidden
        };
        let open: Vec<usize> = (0..arguments.len()).filter(is_open).collect();
        if open.len() <= self.unknown {
            // The placeholders that are wrong would be these.
            return;
        }
        for (index, argument) in arguments.iter().enumerate() {
            if !open.contains(&index) {
                continue;
            }
            let (shown, do_not, key, skip) = match argument.names.as_slice() {
                [] => {
                    diagnostics.error_on(
                        &argument.written,
                        format!("an argument of `{function}` has no name, so it can be neither in `key` nor in `skip`"),
                        "give it a name",
                    );
                    continue;
                }
                [name] => (format!("`{name}`"), "does not", format!("`<{name}>`"), name.to_string()),
                names => {
                    let quoted = names.iter().map(ToString::to_string).collect::<Vec<_>>();
                    (
                        suggest::list(&quoted).replace(" or ", " and "),
                        "do not",
                        format!("`<{}>`", quoted[0]),
                        quoted[0].clone(),
                    )
                }
            };
            diagnostics.error_on(
                &argument.written,
                format!("{shown} {do_not} tell entries of `{function}` apart"),
                format!("add {key} to `key`, or `skip = [{skip}]`"),
            );
        }
    }

    /// A type parameter that the result mentions tells entries apart, too.
    pub(crate) fn check_type_parameters(
        &self,
        signature: &Signature,
        output: &Type,
        diagnostics: &mut Diagnostics,
    ) {
        for parameter in &signature.generics.params {
            let ident = match parameter {
                GenericParam::Lifetime(_) => continue,
                GenericParam::Type(parameter) => &parameter.ident,
                GenericParam::Const(parameter) => &parameter.ident,
            };
            let in_key = self
                .roots()
                .any(|root| matches!(root, Root::Type(found) | Root::Const(found) if found == ident));
            if !in_key && mentions(output.to_token_stream(), ident) {
                diagnostics.error(
                    ident.span(),
                    format!("`{ident}` does not tell entries of `{}` apart", signature.ident),
                    format!("add `<{ident}>` to `key`"),
                );
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that a placeholder can mean")]
    fn root(
        &mut self,
        placeholder: &Placeholder,
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        element: Option<Element<'_>>,
        purpose: Use,
        diagnostics: &mut Diagnostics,
    ) -> Option<Root> {
        let name = placeholder.root.as_str();
        let bare = placeholder.path.is_empty();
        for (index, argument) in arguments.iter().enumerate() {
            if let Some(bound) = argument.names.iter().find(|bound| bound.unraw() == name) {
                return Some(if argument.pattern.is_none() {
                    Root::Argument(index)
                } else {
                    Root::Bound(index, bound.clone())
                });
            }
        }
        let signature = &function.signature;
        for parameter in &signature.generics.params {
            match parameter {
                GenericParam::Type(parameter) if bare && parameter.ident == name => {
                    return Some(Root::Type(parameter.ident.clone()));
                }
                GenericParam::Const(parameter) if bare && parameter.ident == name => {
                    return Some(Root::Const(parameter.ident.clone()));
                }
                _ => {}
            }
        }
        let caret = template.caret(&placeholder.at);
        let (wrong, help) = match name {
            "self" if signature.receiver().is_some() && !bare => return Some(Root::SelfValue),
            "self" if signature.receiver().is_some() => {
                ("`<self>` is the whole object".to_owned(), "name a field: `<self.tenant>`".to_owned())
            }
            _ if element.is_some_and(|element| element.is(name)) => return Some(Root::Element),
            "return" if purpose == Use::Target => return Some(Root::Return),
            "return" => (
                match purpose {
                    Use::Tag => "`tags` are needed before there is a result".to_owned(),
                    Use::Key | Use::Target => "`key` is needed before there is a result".to_owned(),
                },
                "use arguments; only targets in `invalidates` can use `<return.id>`".to_owned(),
            ),
            // Nobody could read what one of the list is called.
            _ if matches!(element, Some(Element(None))) => return Some(Root::Element),
            _ if arguments.iter().any(|argument| argument.hidden) => {
                self.searched = true;
                return None;
            }
            _ => {
                match meant(name, arguments) {
                    Some(index) => drop(self.meant.insert(index)),
                    None => self.unknown += 1,
                }
                let names = arguments.iter().flat_map(|argument| &argument.names);
                let names: Vec<String> = element
                    .and_then(|element| element.0)
                    .into_iter()
                    .chain(names)
                    .map(ToString::to_string)
                    .collect();
                let otherwise = || match names.is_empty() {
                    true => format!("`{}` has no arguments: remove it", signature.ident),
                    false => {
                        let shown: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
                        format!("use {}", suggest::list(&shown))
                    }
                };
                let help = match suggest::nearest(name, names.iter().map(String::as_str)) {
                    Some(nearest) => format!("did you mean `<{nearest}>`?"),
                    None => otherwise(),
                };
                (format!("`<{name}>` is not an argument of `{}`", signature.ident), help)
            }
        };
        diagnostics.error(template.span(), format!("{wrong}{caret}"), help);
        None
    }
}

/// The place of the argument whose name is close to this one.
pub(crate) fn meant(name: &str, arguments: &[Argument]) -> Option<usize> {
    let names: Vec<(usize, String)> = arguments
        .iter()
        .enumerate()
        .flat_map(|(index, argument)| {
            argument.names.iter().map(move |name| (index, name.unraw().to_string()))
        })
        .collect();
    let nearest = suggest::nearest(name, names.iter().map(|(_, name)| name.as_str()))?;
    names.iter().find(|(_, name)| name == nearest).map(|(index, _)| *index)
}

/// What ends a part. `:` is escaped in every part, another byte in this one only.
fn stop(literal: &str) -> u8 {
    match literal.bytes().next() {
        Some(b':') | None => 0,
        Some(byte) => byte,
    }
}

/// The places of the arguments that `skip` names; contradictions are recorded.
pub(crate) fn skipped(
    options: &Options,
    marked: &[usize],
    function: &Function,
    arguments: &[Argument],
    key: Option<&KeyPlan>,
    diagnostics: &mut Diagnostics,
) -> BTreeSet<usize> {
    let used = key.map(KeyPlan::arguments).unwrap_or_default();
    let mut skipped = BTreeSet::new();
    for name in options.skip.iter().flatten() {
        let Some(index) = arguments.iter().position(|argument| argument.names.contains(name)) else {
            skipped.extend(meant(&name.to_string(), arguments));
            let names: Vec<String> =
                arguments.iter().flat_map(|argument| &argument.names).map(ToString::to_string).collect();
            let text = name.to_string();
            let help = suggest::or(&text, names.iter().map(String::as_str), || match names.is_empty() {
                true => "remove it".to_owned(),
                false => format!("use {}", suggest::list(&names)),
            });
            let wrong = format!("`{name}` is not an argument of `{}`", function.signature.ident);
            diagnostics.error(name.span(), wrong, help);
            continue;
        };
        if used.contains(&index) {
            diagnostics.error(
                name.span(),
                format!("`{name}` is skipped, and in `key`"),
                format!("remove it from `skip`, or `<{name}>` from `key`"),
            );
        }
        skipped.insert(index);
    }
    for index in marked {
        if used.contains(index) {
            diagnostics.error_on(
                &arguments[*index].written,
                "this argument is skipped, and in `key`",
                "remove `#[cache(skip)]`, or its names from `key`",
            );
        }
        skipped.insert(*index);
    }
    skipped
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::*;
    use crate::model::function;

    #[test]
    fn tags_follow_from_the_key_where_all_their_parts_are_in_it() {
        let function: Function = syn::parse_quote!(
            async fn find<T>(&self, id: u64, user: User, (a, b): (u8, u8)) -> u64 {}
        );
        let arguments = function::arguments(&function.signature, None);
        let plan = |text: &str| {
            let mut diagnostics = Diagnostics::default();
            let literal = LitStr::new(text, Span::call_site());
            let template = Template::parse(&literal, "tags", &mut diagnostics).expect("a template");
            KeyPlan::of_tag(&template, &function, &arguments, None, &mut diagnostics)
        };
        let check = |tag: &str, key: &str, expected: bool| {
            assert_eq!(plan(tag).follows_from(&plan(key)), expected, "{tag} of {key}");
        };
        check("all", "user:<id>", true);
        check("user:<id>", "user:<id>", true);
        check("org:<user.org>", "user:<user.org>:<user.id>", true);
        check("org:<user.org>", "user:<user.id>", false);
        check("org:<user.org>", "user:<user>", false);
        check("<a>:<T>:<self.org>", "<self.org>:<b>:<a>:<T>", true);
        check("<a>", "<b>", false);
        check("<T>", "<id>", false);
        check("<self.org>", "<self.id>", false);
    }
}
