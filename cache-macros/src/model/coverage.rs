//! Everything that can tell one call from another is in `key`, or in `skip`: what is forgotten serves one caller's
//! answer to another.

use std::collections::BTreeSet;

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::{Generics, Ident, Type};

use super::{
    batch::Batch,
    function::{Argument, mentions, parameter_names},
    key::{KeyPlan, Root},
    kinds::{self, Kind},
    placeholder::{Scope, meant},
};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, options::Options, surroundings::Surroundings, template::Step},
    suggest,
};

/// What is left out of the key on purpose.
pub(crate) struct Skipped {
    /// Arguments, by their places.
    pub(crate) arguments: BTreeSet<usize>,
    /// The names in `skip`.
    names: Vec<Ident>,
    /// Whether the whole list could not be read.
    broken: bool,
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
            names: options.skip.clone().unwrap_or_default(),
            broken: options.broken.contains(&"skip"),
        };
        for name in options.skip.iter().flatten() {
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

    fn has(&self, name: &Ident) -> bool {
        self.names.contains(name)
    }

    /// The option with these names added.
    fn with<'a>(&'a self, names: impl IntoIterator<Item = &'a Ident>) -> String {
        let all: Vec<String> = self.names.iter().chain(names).map(ToString::to_string).collect();
        format!("`skip = [{}]`", all.join(", "))
    }
}

/// How much of a value is in the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    Nothing,
    Part,
    Whole,
}

impl Cover {
    /// By the paths with which a value stands in the key. A newtype's `.0` is all of it.
    fn of<'a>(paths: impl Iterator<Item = &'a [Step]>, ty: Option<&Type>) -> Self {
        let paths: Vec<_> = paths.collect();
        let has = |index: usize| {
            paths.iter().any(|path| matches!(path, [Step::Index(found)] if *found as usize == index))
        };
        let whole = match ty.map(kinds::behind) {
            Some(Type::Tuple(tuple)) => (0..tuple.elems.len()).all(has),
            _ => !paths.is_empty() && paths.iter().all(|path| matches!(path, [Step::Index(0)])),
        };
        match paths.is_empty() {
            true => Self::Nothing,
            false if whole || paths.iter().any(|path| path.is_empty()) => Self::Whole,
            false => Self::Part,
        }
    }
}

/// How much of what `name` binds is in the key.
fn cover(key: Option<&KeyPlan>, index: usize, argument: &Argument, name: &Ident) -> Cover {
    let paths = key.into_iter().flat_map(KeyPlan::parts).filter_map(|(root, path)| match root {
        Root::Argument(found) if *found == index => Some(path),
        Root::Bound(found, bound) if *found == index && bound == name => Some(path),
        _ => None,
    });
    Cover::of(paths, argument.pattern.is_none().then_some(&argument.ty))
}

/// The names of an argument that are not in the key and not skipped.
struct Open<'a> {
    argument: &'a Argument,
    missing: Vec<&'a Ident>,
    /// Those of which a part is in the key.
    halves: Vec<&'a Ident>,
}

impl<'a> Open<'a> {
    fn new(key: &KeyPlan, skipped: &Skipped, index: usize, argument: &'a Argument) -> Option<Self> {
        let settled = skipped.arguments.contains(&index) || key.meant.contains(&index) || argument.hidden;
        let names: Vec<&Ident> = argument.names.iter().collect();
        let cover = |name: &Ident| match skipped.has(name) {
            true => Cover::Whole,
            false => cover(Some(key), index, argument, name),
        };
        // `whole @ (a, b)` is known where either `whole` or its parts are.
        let names = match (names.as_slice(), argument.binds_whole) {
            ([whole, ..], true) if cover(whole) == Cover::Whole => Vec::new(),
            ([_, parts @ ..], true) if !parts.is_empty() => parts.to_vec(),
            _ => names,
        };
        let of = |kind| names.iter().copied().filter(|name| cover(name) == kind).collect::<Vec<_>>();
        let open = Self { argument, missing: of(Cover::Nothing), halves: of(Cover::Part) };
        let is_open = argument.names.is_empty() || !open.missing.is_empty() || !open.halves.is_empty();
        (!settled && is_open).then_some(open)
    }
}

/// Each argument of a function that reads is in the key, or skipped.
pub(crate) fn check_arguments(
    key: &KeyPlan,
    skipped: &Skipped,
    scope: Scope<'_>,
    options: &Options,
    diagnostics: &mut Diagnostics,
) {
    if skipped.broken {
        return;
    }
    let all = scope.arguments.iter().enumerate();
    let open: Vec<Open<'_>> =
        all.filter_map(|(index, argument)| Open::new(key, skipped, index, argument)).collect();
    let forgotten = open.iter().filter(|open| open.halves.is_empty()).count();
    // The placeholders that are wrong would be these.
    let explained = forgotten <= key.unknown && key.unknown > 0;
    let writes = options.mode.is_none().then(|| kinds::borrows_mutably(scope.function));
    for Open { argument, missing, halves } in open {
        let function = &scope.function.signature.ident;
        if argument.names.is_empty() && !explained {
            diagnostics.error_on(
                &argument.written,
                format!(
                    "an argument of `{function}` has no name, so it can be neither in `key` nor in `skip`"
                ),
                "give it a name",
            );
        }
        for half in halves {
            let rest = whole_of(half, &argument.ty);
            diagnostics.error_on(
                &argument.written,
                format!("only a part of `{half}` is in `key`: calls that differ in the rest share an entry"),
                format!(
                    "add {} if the rest does not change the result, or write {rest}",
                    skipped.with([half])
                ),
            );
        }
        if !missing.is_empty() && !explained {
            let quoted: Vec<String> = missing.iter().map(|name| name.to_string()).collect();
            let shown = suggest::list(&quoted).replace(" or ", " and ");
            let verb = if missing.len() == 1 { "does not" } else { "do not" };
            diagnostics.error_on(
                &argument.written,
                format!("{shown} {verb} tell entries of `{function}` apart"),
                forgotten_help(argument, &missing, skipped, writes),
            );
        }
    }
}

/// How all of a value comes into the key.
fn whole_of(name: &Ident, ty: &Type) -> String {
    match kinds::of(ty) {
        Kind::Own(of) => format!("`<{name}>` and `#[derive(KeyPart)]` on `{of}`"),
        Kind::Plain | Kind::Pool => format!("`<{name}>`"),
    }
}

/// What to type for arguments that are not in the key. `writes`: whether the function may be a write that does not say
/// so, and whether it borrows mutably.
fn forgotten_help(
    argument: &Argument,
    missing: &[&Ident],
    skipped: &Skipped,
    writes: Option<bool>,
) -> String {
    let skip = skipped.with(missing.iter().copied());
    if let Kind::Pool = kinds::of(&argument.ty) {
        return format!("add {skip}");
    }
    let placeholders: Vec<String> = missing.iter().map(|name| format!("<{name}>")).collect();
    let placeholders = suggest::list(&placeholders).replace(" or ", " and ");
    let read = format!("add {placeholders} to `key`, or {skip} if the result does not depend on it");
    let write = "a function that writes needs `invalidates` or `mode = \"write-through\"`";
    match writes {
        None => read,
        Some(true) => format!("{write}; one that reads: {read}"),
        Some(false) => format!("{read}; {write} instead"),
    }
}

/// The element of a batch tells its entries apart as a whole.
pub(crate) fn check_element(key: &KeyPlan, batch: &Batch, skipped: &Skipped, diagnostics: &mut Diagnostics) {
    let paths = key.parts().filter_map(|(root, path)| (*root == Root::Element).then_some(path));
    let element = &batch.element;
    if Cover::of(paths, Some(&batch.element_type)) == Cover::Part && !skipped.has(element) {
        let rest = whole_of(element, &batch.element_type);
        diagnostics.error(
            key.span,
            format!(
                "only a part of `{element}` is in `key`: elements that differ in the rest share an entry"
            ),
            format!(
                "add {} if the rest does not change the result, or write {rest}",
                skipped.with([element])
            ),
        );
    }
}

/// Each type and const parameter of the function and of its `impl` is in the key, or skipped.
pub(crate) fn check_parameters(
    key: &KeyPlan,
    skipped: &Skipped,
    function: &Function,
    diagnostics: &mut Diagnostics,
) {
    if skipped.broken || key.unknown > 0 {
        return;
    }
    let name = &function.signature.ident;
    let is_open = |parameter: &Ident| !key.has_parameter(parameter) && !skipped.has(parameter);
    for parameter in parameter_names(&function.signature.generics).filter(|parameter| is_open(parameter)) {
        diagnostics.error(
            parameter.span(),
            format!("`{parameter}` does not tell entries of `{name}` apart"),
            format!(
                "add `<{parameter}>` to `key`, or {} if the result does not depend on it",
                skipped.with([parameter])
            ),
        );
    }
    let own = Ident::new("Self", Span::call_site());
    let own_is_open = is_open(&own);
    match &function.surroundings {
        Surroundings::Impl { generics, of, .. } => {
            let in_self = |parameter: &Ident| mentions(of.to_token_stream(), parameter);
            let open = outer(generics, is_open).into_iter();
            let open: Vec<Ident> = open.filter(|parameter| own_is_open || !in_self(parameter)).collect();
            check_outer("the `impl`", &open, key, skipped, name, diagnostics);
        }
        Surroundings::Trait { generics } => {
            let open =
                own_is_open.then_some(own).into_iter().chain(outer(generics, is_open)).collect::<Vec<_>>();
            check_outer("the trait", &open, key, skipped, name, diagnostics);
        }
        Surroundings::Unknown | Surroundings::Module => {}
    }
}

fn outer(generics: &Generics, is_open: impl Fn(&Ident) -> bool) -> Vec<Ident> {
    parameter_names(generics).filter(|parameter| is_open(parameter)).cloned().collect()
}

/// The parameters of what stands around the function cannot be shown, so the key is.
fn check_outer(
    around: &str,
    open: &[Ident],
    key: &KeyPlan,
    skipped: &Skipped,
    function: &Ident,
    diagnostics: &mut Diagnostics,
) {
    if open.is_empty() {
        return;
    }
    let list = |show: &dyn Fn(&Ident) -> String| {
        suggest::list(&open.iter().map(show).collect::<Vec<_>>()).replace(" or ", " and ")
    };
    let verb = if open.len() == 1 { "does not" } else { "do not" };
    diagnostics.error(
        key.span,
        format!("{} of {around} {verb} tell entries of `{function}` apart", list(&ToString::to_string)),
        format!(
            "add {} to `key`, or {} if the result does not depend on it",
            list(&|parameter| format!("<{parameter}>")),
            skipped.with(open)
        ),
    );
}

/// Whether the compiler must look for parameters that could not be seen here: nothing says that `Self` was thought of.
pub(crate) fn must_probe(key: Option<&KeyPlan>, skipped: &Skipped, function: &Function) -> bool {
    let Some(key) = key else { return false };
    let in_impl = function.signature.receiver().is_some();
    let names = || {
        key.roots().filter_map(|root| match root {
            Root::Type(found) | Root::Const(found) => Some(found),
            _ => None,
        })
    };
    let own =
        |parameter: &&Ident| !parameter_names(&function.signature.generics).any(|own| own == *parameter);
    let thought_of = names().any(|name| own(&name))
        || skipped.names.iter().filter(own).any(|name| name.to_string().starts_with(char::is_uppercase));
    in_impl && !thought_of && matches!(function.surroundings, Surroundings::Unknown)
}
