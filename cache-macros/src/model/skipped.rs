//! What `skip` and `#[cache(skip)]` leave out of the key.

use std::collections::BTreeSet;

use syn::Ident;

use super::{
    cover::{Cover, cover},
    key::KeyPlan,
    placeholder::{Scope, meant},
};
use crate::{diag::Diagnostics, parse::options::Options, suggest};

/// What is left out of the key on purpose.
pub(crate) struct Skipped {
    /// Arguments, by their places.
    pub(crate) arguments: BTreeSet<usize>,
    /// The names in `skip`.
    pub(super) names: Vec<Ident>,
    /// Whether the whole list could not be read.
    pub(super) broken: bool,
}

impl Skipped {
    /// From `skip` and `#[cache(skip)]`; contradictions are recorded.
    pub(crate) fn new(
        options: &Options,
        marked: &[usize],
        scope: Scope<'_>,
        key: Option<&KeyPlan>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut skipped = Self {
            arguments: BTreeSet::new(),
            names: options.skipped().to_vec(),
            broken: options.broken.contains(&"skip"),
        };
        for name in options.skipped() {
            skipped.check(name, scope, key, diagnostics);
        }
        for &index in marked {
            let argument = &scope.arguments[index];
            let is_whole = |name: &Ident| cover(key, index, argument, name) == Cover::Whole;
            if argument.names.iter().any(is_whole) {
                diagnostics.error_on(
                    &argument.written,
                    "this argument is skipped, and in `key`",
                    "remove `#[cache(skip)]`, or its names from `key`",
                );
            }
            skipped.arguments.insert(index);
        }
        skipped
    }

    /// Whether `name` is something that can be skipped, and is not in the key as a whole.
    fn check(
        &mut self,
        name: &Ident,
        scope: Scope<'_>,
        key: Option<&KeyPlan>,
        diagnostics: &mut Diagnostics,
    ) {
        let text = name.to_string();
        let argument = scope.arguments.iter().enumerate().find(|(_, one)| one.names.contains(name));
        let in_key = match argument {
            Some((index, argument)) => {
                if argument.pattern.is_none() {
                    self.arguments.insert(index);
                }
                cover(key, index, argument, name) == Cover::Whole
            }
            None if scope.element.is_some_and(|element| element.is(&text)) => false,
            None if scope.parameter(&text).is_some() => key.is_some_and(|key| key.has_parameter(name)),
            None => {
                self.arguments.extend(meant(&text, scope.arguments));
                let names = scope.arguments.iter().flat_map(|argument| &argument.names);
                let names: Vec<String> = names.map(ToString::to_string).collect();
                let help = suggest::or(&text, names.iter().map(String::as_str), || match names.is_empty() {
                    true => "remove it".to_owned(),
                    false => format!("use {}", suggest::list(&names)),
                });
                let function = &scope.function.signature.ident;
                let wrong = format!("`{name}` is not an argument of `{function}`");
                diagnostics.error(name.span(), wrong, help);
                return;
            }
        };
        if in_key {
            diagnostics.error(
                name.span(),
                format!("`{name}` is skipped, and in `key`"),
                format!("remove it from `skip`, or `<{name}>` from `key`"),
            );
        }
    }

    pub(super) fn has(&self, name: &Ident) -> bool {
        self.names.contains(name)
    }

    /// The option with these names added.
    pub(super) fn with<'a>(&'a self, names: impl IntoIterator<Item = &'a Ident>) -> String {
        let all: Vec<String> = self.names.iter().chain(names).map(ToString::to_string).collect();
        format!("`skip = [{}]`", all.join(", "))
    }
}
