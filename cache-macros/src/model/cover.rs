//! How much of an argument is in the key: all of it, a part, nothing.

use syn::{Ident, Type};

use super::{
    function::Argument,
    key::{KeyPlan, Root},
    kinds,
};
use crate::parse::template::Step;

/// How much of a value is in the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    Nothing,
    Part,
    Whole,
}

impl Cover {
    /// By the paths with which a value stands in the key. A newtype's `.0` is all of it.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a [Step]>, ty: Option<&Type>) -> Self {
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
pub(super) fn cover(key: Option<&KeyPlan>, index: usize, argument: &Argument, name: &Ident) -> Cover {
    let paths = key.into_iter().flat_map(KeyPlan::parts).filter_map(|(root, path)| match root {
        Root::Argument(found) if *found == index => Some(path),
        Root::Bound(found, bound) if *found == index && bound == name => Some(path),
        _ => None,
    });
    Cover::of(paths, argument.pattern.is_none().then_some(&argument.ty))
}
