//! What the spelling of a type, of a name, of a signature tells about what it is for. Only messages depend on it.

use syn::{FnArg, Ident, ReceiverKind, Type};

use super::function::first_type;
use crate::parse::function::Function;

/// What an argument is for.
pub(super) enum Kind {
    /// A handle to where the data is.
    Pool,
    /// A type of this name, which is probably the user's.
    Own(Ident),
    /// A number, a text, a tuple, or something else without a name of its own.
    Plain,
}

/// The type behind references.
pub(super) fn behind(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => behind(&reference.elem),
        Type::Group(group) => behind(&group.elem),
        Type::Paren(paren) => behind(&paren.elem),
        other => other,
    }
}

pub(super) fn of(ty: &Type) -> Kind {
    const POOLS: [&str; 9] = [
        "Pool",
        "Connection",
        "Client",
        "Database",
        "Executor",
        "AppState",
        "SharedState",
        "Transaction",
        "Repository",
    ];
    const PLAIN: [&str; 22] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64",
        "bool", "char", "str", "String", "Vec", "Option", "Box", "Cow",
    ];
    let Type::Path(path) = behind(ty) else { return Kind::Plain };
    let Some(last) = path.path.segments.last() else { return Kind::Plain };
    let name = last.ident.to_string();
    match name.as_str() {
        "State" => Kind::Pool,
        // Text and lists behind a pointer are values.
        "Arc" | "Rc" => match first_type(&last.arguments) {
            Some(Type::Slice(_)) => Kind::Plain,
            Some(inner) if matches!(of(inner), Kind::Plain) && !matches!(inner, Type::TraitObject(_)) => {
                Kind::Plain
            }
            _ => Kind::Pool,
        },
        _ if POOLS.iter().any(|pool| name.ends_with(pool)) => Kind::Pool,
        _ if PLAIN.contains(&name.as_str()) => Kind::Plain,
        _ => Kind::Own(last.ident.clone()),
    }
}

/// Whether a value of this type is a single number or text, as an id is.
pub(super) fn is_scalar(ty: &Type) -> bool {
    let Type::Path(path) = behind(ty) else { return false };
    let Some(last) = path.path.segments.last() else { return false };
    let name = last.ident.to_string();
    let composed = ["Vec", "Option", "Box", "Cow"].contains(&name.as_str());
    name.ends_with("Id") || name.ends_with("Uuid") || matches!(of(ty), Kind::Plain) && !composed
}

/// A collection without an order, and the one to take instead.
pub(super) fn unordered(ty: &Type) -> Option<(&'static str, &'static str)> {
    let Type::Path(path) = behind(ty) else { return None };
    let last = path.path.segments.last()?;
    let pairs =
        [("HashMap", "BTreeMap"), ("HashSet", "BTreeSet"), ("IndexMap", "BTreeMap"), ("DashMap", "BTreeMap")];
    pairs.into_iter().find(|(name, _)| last.ident == name)
}

/// Whether the function borrows something mutably, as those do that write.
pub(super) fn borrows_mutably(function: &Function) -> bool {
    function.signature.inputs.iter().any(|input| match input {
        FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_))),
        FnArg::Typed(typed) => {
            matches!(&*typed.ty, Type::Reference(reference) if reference.mutability.is_some())
        }
    })
}

/// Whether a function of this name writes, most likely.
pub(super) fn is_write(name: &Ident) -> bool {
    const WRITES: [&str; 8] = ["update", "create", "delete", "set", "save", "insert", "remove", "rename"];
    let name = name.to_string();
    name.split('_').next().is_some_and(|first| WRITES.contains(&first))
}
