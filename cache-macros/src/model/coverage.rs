//! Each argument that can tell one call from another is in `key`, or in `skip`: a forgotten one serves one caller's
//! answer to another.

use syn::{Ident, Type};

use super::{
    batch::Batch,
    cover::{Cover, cover},
    function::Argument,
    key::{KeyPlan, Root},
    kinds::{self, Kind},
    placeholder::Scope,
    skipped::Skipped,
};
use crate::{diag::Diagnostics, parse::options::Options, suggest};

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
    let can_write = options.mode.is_none() && scope.element.is_none();
    let writes = can_write.then(|| kinds::borrows_mutably(scope.function));
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
            let ty = argument.pattern.is_none().then_some(&argument.ty);
            let rest = whole_of(half, ty);
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
fn whole_of(name: &Ident, ty: Option<&Type>) -> String {
    match ty.map(kinds::of) {
        Some(Kind::Own(of)) => format!("`<{name}>` and `#[derive(KeyPart)]` on `{of}`"),
        Some(Kind::Plain | Kind::Pool) | None => format!("`<{name}>`"),
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
        let rest = whole_of(element, Some(&batch.element_type));
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
