//! What a placeholder names: an argument, `self`, a parameter of the function or of its `impl`, the result.

use syn::{GenericParam, Generics, Ident, ext::IdentExt as _};

use super::{
    batch::Element,
    function::{Argument, parameter_names},
    key::{KeyPlan, Root, Use},
};
use crate::{
    diag::Diagnostics,
    parse::{
        function::Function,
        surroundings::Surroundings,
        template::{Placeholder, Template},
    },
    suggest,
};

/// What placeholders can name.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) function: &'a Function,
    pub(crate) arguments: &'a [Argument],
    /// Of a batch.
    pub(crate) element: Option<Element<'a>>,
}

impl Scope<'_> {
    /// `None` where the placeholder names nothing; then a mistake was recorded, or `plan` says what it may mean.
    pub(super) fn root(
        self,
        plan: &mut KeyPlan,
        placeholder: &Placeholder,
        template: &Template,
        purpose: Use,
        diagnostics: &mut Diagnostics,
    ) -> Option<Root> {
        let name = placeholder.root.as_str();
        let bare = placeholder.path.is_empty();
        let found = self.argument(name).or_else(|| self.parameter(name).filter(|_| bare));
        if found.is_some() {
            return found;
        }
        let signature = &self.function.signature;
        let (wrong, help) = match name {
            "self" if signature.receiver().is_some() && !bare => return Some(Root::SelfValue),
            "self" if signature.receiver().is_some() => {
                ("`<self>` is the whole object".to_owned(), "name a field: `<self.tenant>`".to_owned())
            }
            _ if self.element.is_some_and(|element| element.is(name)) => return Some(Root::Element),
            "return" if purpose == Use::Target => return Some(Root::Return),
            "return" => (
                match purpose {
                    Use::Tag => "`tags` are needed before there is a result".to_owned(),
                    Use::Key | Use::Target => "`key` is needed before there is a result".to_owned(),
                },
                "use arguments; only targets in `invalidates` can use `<return.id>`".to_owned(),
            ),
            // The name of the element could not be read.
            _ if matches!(self.element, Some(Element(None))) => return Some(Root::Element),
            _ if self.arguments.iter().any(|argument| argument.hidden) => {
                plan.searched = true;
                return None;
            }
            _ => {
                match meant(name, self.arguments) {
                    Some(index) => drop(plan.meant.insert(index)),
                    None => plan.unknown += 1,
                }
                (format!("`<{name}>` is not an argument of `{}`", signature.ident), self.instead_of(name))
            }
        };
        diagnostics.error(template.span(), format!("{wrong}{}", template.caret(&placeholder.at)), help);
        None
    }

    fn argument(self, name: &str) -> Option<Root> {
        self.arguments.iter().enumerate().find_map(|(index, argument)| {
            let bound = argument.names.iter().find(|bound| bound.unraw() == name)?;
            Some(match argument.pattern {
                None => Root::Argument(index),
                Some(_) => Root::Bound(index, bound.clone()),
            })
        })
    }

    /// A type or const parameter of the function or of its `impl`, or `Self`.
    pub(super) fn parameter(self, name: &str) -> Option<Root> {
        let Function { signature, surroundings, .. } = self.function;
        let outer = surroundings.generics();
        let declared = declared(&signature.generics, name).or_else(|| declared(outer?, name));
        let is_type_name = |name: &str| name.starts_with(char::is_uppercase);
        match surroundings {
            _ if declared.is_some() => declared,
            Surroundings::Module if signature.receiver().is_none() => None,
            _ if name == "Self" => Some(Root::Type(Ident::new(name, signature.ident.span()))),
            // Whether there is such a parameter, the compiler says.
            Surroundings::Unknown if is_type_name(name) && syn::parse_str::<Ident>(name).is_ok() => {
                let ident = Ident::new(name, signature.ident.span());
                Some(if is_const_name(name) { Root::Const(ident) } else { Root::Type(ident) })
            }
            _ => None,
        }
    }

    /// What to type instead of a name that is none.
    fn instead_of(self, name: &str) -> String {
        let names = self.arguments.iter().flat_map(|argument| &argument.names);
        let element = self.element.and_then(|element| element.0);
        let Function { signature, surroundings, .. } = self.function;
        let outer = surroundings.generics().into_iter().flat_map(parameter_names);
        let parameters = parameter_names(&signature.generics).chain(outer);
        let names = element.into_iter().chain(names).chain(parameters);
        let names: Vec<String> = names.map(ToString::to_string).collect();
        match suggest::nearest(name, names.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `<{nearest}>`?"),
            None if names.is_empty() => {
                format!("`{}` has no arguments: remove it", signature.ident)
            }
            None => {
                let shown: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
                format!("use {}", suggest::list(&shown))
            }
        }
    }
}

/// A type or const parameter of these.
fn declared(generics: &Generics, name: &str) -> Option<Root> {
    generics.params.iter().find_map(|parameter| match parameter {
        GenericParam::Type(parameter) if parameter.ident == name => Some(Root::Type(parameter.ident.clone())),
        GenericParam::Const(parameter) if parameter.ident == name => {
            Some(Root::Const(parameter.ident.clone()))
        }
        _ => None,
    })
}

/// What is written in capitals is a constant, and so are `N` and `M`, where only the spelling can tell.
fn is_const_name(name: &str) -> bool {
    let capitals = name.chars().all(|character| !character.is_lowercase());
    capitals && (name.chars().count() > 1 || matches!(name, "N" | "M"))
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
