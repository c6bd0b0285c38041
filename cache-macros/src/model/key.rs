//! Which arguments enter the key, in which order.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::{Ident, Type};

use super::{batch::Batch, function::Argument, kinds, placeholder::Scope};
use crate::{
    diag::Diagnostics,
    parse::template::{Placeholder, Segment, Step, Template},
};

/// What a template is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Key,
    Tag,
    /// A string target, or a tag that is one: it may use the result.
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
    /// The template as it was written.
    pub(crate) template: String,
    pub(crate) span: Span,
    pub(crate) pieces: Vec<Piece>,
    /// Arguments that a wrong placeholder most likely means.
    pub(super) meant: BTreeSet<usize>,
    /// Number of wrong placeholders that could mean any argument.
    pub(super) unknown: usize,
    /// Whether a placeholder may be in a pattern that the attribute cannot see.
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
    /// An argument, by its place.
    Argument(usize),
    /// A name that an argument's pattern binds.
    Bound(usize, Ident),
    SelfValue,
    /// A type parameter of the function or of its `impl`, or `Self`.
    Type(Ident),
    Const(Ident),
    /// One element of the list of a batch.
    Element,
    /// The result, in targets only.
    Return,
}

impl KeyPlan {
    /// Where placeholders are wrong, mistakes are recorded and the plan lacks them.
    pub(crate) fn new(
        template: &Template,
        scope: Scope<'_>,
        purpose: Use,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut plan = Self {
            template: template.literal.value(),
            span: template.span(),
            pieces: Vec::new(),
            meant: BTreeSet::new(),
            unknown: 0,
            searched: false,
            is_tag: purpose == Use::Tag,
        };
        for (at, segment) in template.segments.iter().enumerate() {
            match segment {
                Segment::Literal(literal) => plan.pieces.push(Piece::Literal(literal.clone())),
                Segment::Placeholder(placeholder) => {
                    let next = template.segments.get(at + 1);
                    let stop = stop(template, placeholder, next, purpose, diagnostics);
                    let Some(root) = scope.root(&mut plan, placeholder, template, purpose, diagnostics)
                    else {
                        continue;
                    };
                    check_value(&root, placeholder, scope, purpose, diagnostics);
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

    /// Whether a type or const parameter, or `Self`, is a part of it.
    pub(crate) fn has_parameter(&self, name: &Ident) -> bool {
        self.roots().any(|root| matches!(root, Root::Type(found) | Root::Const(found) if found == name))
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.parts().map(|(root, _)| root)
    }

    /// What the placeholders name, and which part of it.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Root, &[Step])> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Part { root, path, .. } => Some((root, path.as_slice())),
        })
    }

    /// Whether all that it is made of is in `key`, too, so that one key always goes with the same text.
    pub(crate) fn follows_from(&self, key: &Self) -> bool {
        let in_key: Vec<_> = key.parts().collect();
        self.parts().all(|part| in_key.contains(&part))
    }

    /// The element of a batch's list is in the key, and the list itself is not.
    pub(crate) fn check_batch(&self, batch: &Batch, list: &Ident, diagnostics: &mut Diagnostics) {
        let element = &batch.element;
        if self.arguments().contains(&batch.list) {
            diagnostics.error(
                self.span,
                format!("`<{list}>` is the whole list, and each entry is of one of them"),
                format!("write `<{element}>`"),
            );
        } else if !self.is_tag
            && self.unknown == 0
            && self.meant.is_empty()
            && !self.roots().any(|root| *root == Root::Element)
        {
            diagnostics.error(
                self.span,
                format!("`<{element}>` is not in `key`, so the entries of a batch would share one"),
                format!("add `<{element}>` to `key`"),
            );
        }
    }
}

/// What ends a part. `:` is escaped in every part, another byte in this one only.
fn stop(
    template: &Template,
    placeholder: &Placeholder,
    next: Option<&Segment>,
    purpose: Use,
    diagnostics: &mut Diagnostics,
) -> u8 {
    match next {
        None => 0,
        Some(Segment::Literal(literal)) => match literal.bytes().next() {
            Some(b':') | None => 0,
            Some(byte) => byte,
        },
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
    }
}

/// What can change while the function runs has no place in a key, nor has what is in no fixed order.
fn check_value(
    root: &Root,
    placeholder: &Placeholder,
    scope: Scope<'_>,
    purpose: Use,
    diagnostics: &mut Diagnostics,
) {
    let (Root::Argument(index) | Root::Bound(index, _)) = root else { return };
    let Argument { ty, pattern, .. } = &scope.arguments[*index];
    if !placeholder.path.is_empty() {
        return;
    }
    if let (None, Some((unordered, ordered))) = (pattern, kinds::unordered(ty)) {
        let name = &placeholder.root;
        diagnostics.error_on(
            ty,
            format!(
                "`{name}` is a `{unordered}`, which has no fixed order: equal ones would make different {}s",
                purpose.noun()
            ),
            format!("take a `{ordered}`"),
        );
    }
    if let Type::Reference(reference) = ty
        && reference.mutability.is_some()
    {
        let name = &placeholder.root;
        diagnostics.error_on(
            ty,
            format!(
                "`{name}` can change while the function runs, so it cannot be part of a {}",
                purpose.noun()
            ),
            format!("take `{name}` by value or by `&`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::*;
    use crate::{model::function, parse::function::Function};

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
            KeyPlan::new(
                &template,
                Scope { function: &function, arguments: &arguments, element: None },
                Use::Tag,
                &mut diagnostics,
            )
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
