//! The nearest known name, for "did you mean".

/// The candidate that looks most like `name`, if one does.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `ttl`?", or what else to type.
pub(crate) fn or<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(name, candidates).map_or_else(otherwise, |nearest| format!("did you mean `{nearest}`?"))
}

/// `a`, `b` or `c`.
pub(crate) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_name_is_suggested() {
        let options = ["ttl", "key", "invalidates", "STANDARD"];
        assert_eq!(nearest("tll", options), Some("ttl"));
        assert_eq!(nearest("invalidate", options), Some("invalidates"));
        assert_eq!(nearest("STANDRAD", options), Some("STANDARD"));
        assert_eq!(nearest("timeout", options), None);
    }
}
