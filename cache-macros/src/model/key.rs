//! Which arguments enter the key, in which order.

use std::collections::BTreeSet;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{GenericParam, Ident, Signature, Type, spanned::Spanned as _};

use super::function::{Argument, mentions};
use crate::{
    diag::Diagnostics,
    parse::{
        function::Function,
        options::Options,
        template::{Placeholder, Segment, Step, Template},
    },
    suggest,
};

/// A key, ready to be written.
#[derive(Clone)]
pub(crate) struct KeyPlan {
    /// As it was written.
    pub(crate) template: String,
    pub(crate) pieces: Vec<Piece>,
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

#[derive(Clone)]
pub(crate) enum Root {
    /// The whole of an argument, by its place.
    Argument(usize),
    /// A name that an argument's pattern binds.
    Bound(usize, Ident),
    SelfValue,
    Type(Ident),
    Const(Ident),
    /// The result, in targets only.
    Return,
}

impl KeyPlan {
    /// Where placeholders are wrong, mistakes are recorded and the plan lacks them.
    pub(crate) fn new(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self::with(template, function, arguments, false, diagnostics)
    }

    /// Of a string target, which may use the result.
    pub(crate) fn of_target(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        diagnostics: &mut Diagnostics,
    ) -> Self {
        Self::with(template, function, arguments, true, diagnostics)
    }

    fn with(
        template: &Template,
        function: &Function,
        arguments: &[Argument],
        is_target: bool,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut pieces = Vec::new();
        for (at, segment) in template.segments.iter().enumerate() {
            match segment {
                Segment::Literal(literal) => pieces.push(Piece::Literal(literal.clone())),
                Segment::Placeholder(placeholder) => {
                    let stop = match template.segments.get(at + 1) {
                        None => 0,
                        Some(Segment::Literal(literal)) => stop(literal),
                        Some(Segment::Placeholder(next)) => {
                            let both = placeholder.at.start..next.at.end;
                            diagnostics.error(
                                template.span(),
                                format!("nothing separates two arguments{}", template.caret(&both)),
                                "put a `:` between them, else `1` and `23` make the same key as `12` and `3`",
                            );
                            continue;
                        }
                    };
                    let Some(root) = root(placeholder, template, function, arguments, is_target, diagnostics)
                    else {
                        continue;
                    };
                    if let Root::Argument(index) | Root::Bound(index, _) = &root
                        && placeholder.path.is_empty()
                        && let Type::Reference(reference) = &arguments[*index].ty
                        && reference.mutability.is_some()
                    {
                        let name = &placeholder.root;
                        diagnostics.error(
                            arguments[*index].ty.span(),
                            format!(
                                "`{name}` can change while the function runs, so it cannot be part of a key"
                            ),
                            format!("take `{name}` by value or by `&`"),
                        );
                        continue;
                    }
                    let path = placeholder.path.clone();
                    pieces.push(Piece::Part { root, path, stop, span: template.span() });
                }
            }
        }
        Self { template: template.literal.value(), pieces }
    }

    /// The places of the arguments that are used.
    pub(crate) fn arguments(&self) -> BTreeSet<usize> {
        self.roots()
            .filter_map(|root| match root {
                Root::Argument(index) | Root::Bound(index, _) => Some(*index),
                Root::SelfValue | Root::Type(_) | Root::Const(_) | Root::Return => None,
            })
            .collect()
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = &Root> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Part { root, .. } => Some(root),
        })
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
        for (index, argument) in arguments.iter().enumerate() {
            if used.contains(&index) || skipped.contains(&index) {
                continue;
            }
            let (shown, key, skip) = match argument.names.as_slice() {
                [] => {
                    diagnostics.error(
                        argument.span,
                        format!("an argument of `{function}` has no name, so it can be neither in `key` nor in `skip`"),
                        "give it a name",
                    );
                    continue;
                }
                [name] => (format!("`{name}`"), format!("`<{name}>`"), name.to_string()),
                names => {
                    let quoted = names.iter().map(ToString::to_string).collect::<Vec<_>>();
                    (
                        suggest::list(&quoted).replace(" or ", " and "),
                        format!("`<{}>`", quoted[0]),
                        quoted[0].clone(),
                    )
                }
            };
            diagnostics.error(
                argument.span,
                format!("{shown} does not tell entries of `{function}` apart"),
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
}

/// What ends a part. `:` is escaped in every part, another byte in this one only.
fn stop(literal: &str) -> u8 {
    match literal.bytes().next() {
        Some(b':') | None => 0,
        Some(byte) => byte,
    }
}

fn root(
    placeholder: &Placeholder,
    template: &Template,
    function: &Function,
    arguments: &[Argument],
    is_target: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Root> {
    let name = placeholder.root.as_str();
    let bare = placeholder.path.is_empty();
    for (index, argument) in arguments.iter().enumerate() {
        if let Some(bound) = argument.names.iter().find(|bound| *bound == name) {
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
        "return" if is_target => return Some(Root::Return),
        "return" => (
            "`key` is needed before there is a result".to_owned(),
            "use arguments; only targets in `invalidates` can use `<return.id>`".to_owned(),
        ),
        _ => {
            let names: Vec<String> =
                arguments.iter().flat_map(|argument| &argument.names).map(ToString::to_string).collect();
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

/// The places of the arguments that `skip` names; contradictions are recorded.
pub(crate) fn skipped(
    options: &Options,
    marked: &[Ident],
    function: &Function,
    arguments: &[Argument],
    key: Option<&KeyPlan>,
    diagnostics: &mut Diagnostics,
) -> BTreeSet<usize> {
    let used = key.map(KeyPlan::arguments).unwrap_or_default();
    let mut skipped = BTreeSet::new();
    for name in options.skip.iter().flatten().chain(marked) {
        let Some(index) = arguments.iter().position(|argument| argument.names.contains(name)) else {
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
    skipped
}
