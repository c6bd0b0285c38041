//! The options of the crate `cached`, whose attribute has our name: those who come from there are told ours.

use syn::Ident;

use crate::{diag::Diagnostics, suggest};

/// Its options, and what does the same here.
const OPTIONS: [(&str, &str); 13] = [
    ("time", "`ttl = \"60s\"` for `time = 60`"),
    ("time_refresh", "nothing for `time_refresh`: a hit does not lengthen the life of a value"),
    ("convert", "`key = \"user:<id>\"` for `convert`"),
    ("result", "nothing for `result`: an `Err` is never stored"),
    ("option", "nothing for `option`: `None` is stored only where `negative_ttl` is given"),
    ("sync_writes", "nothing for `sync_writes`: one call loads, the others wait for it"),
    ("size", "`Cache::builder().local_memory(..)` for `size`"),
    ("unbound", "nothing for `unbound`"),
    ("create", "`cache = ..` for `create`"),
    ("ty", "`cache = ..` for `ty`"),
    ("map_error", "nothing for `map_error`: a failure of the cache is never an error of the call"),
    ("with_cached_flag", "nothing for `with_cached_flag`"),
    ("result_fallback", "`stale_if_error = \"1h\"` for `result_fallback`"),
];

pub(super) fn has(name: &str) -> bool {
    OPTIONS.iter().any(|(option, _)| *option == name)
}

/// One message for all that were found.
pub(super) fn report(found: &[Ident], diagnostics: &mut Diagnostics) {
    let Some(first) = found.first() else { return };
    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
    let wrong = match found {
        [one] => format!("`{one}` is an option of the crate `cached`"),
        _ => format!("{} are options of the crate `cached`", suggest::list(&names).replace(" or ", " and ")),
    };
    let ours = |name: &String| OPTIONS.iter().find(|(option, _)| option == name).map(|(_, ours)| *ours);
    let ours: Vec<&str> = names.iter().filter_map(ours).collect();
    diagnostics.error(first.span(), wrong, format!("write {}", ours.join("; ")));
}
