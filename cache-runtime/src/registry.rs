//! The cached functions of this binary, filled at link time.
//!
//! A crate of which the binary names nothing is not linked, and so not known here.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use crate::domain::{
    key::{self, Key},
    pattern::Pattern,
    verdict::Fingerprint,
};

/// What the registry knows of one cached function.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// Module path and name.
    pub function: &'static str,
    /// The template of its key as it is written; empty where it only invalidates.
    pub template: &'static str,
    /// 0 where no version is given.
    pub version: u32,
    /// The name of its result's type; `None` for generic functions.
    pub output: Option<fn() -> &'static str>,
    /// The string targets of its `invalidates`, keys and patterns.
    pub targets: &'static [&'static str],
    /// The templates of its tags.
    pub tags: &'static [&'static str],
    /// The tags in its `invalidates`.
    pub tag_targets: &'static [&'static str],
}

inventory::collect!(Registration);

impl Registration {
    /// Called by the expansions of the attribute.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        function: &'static str,
        template: &'static str,
        version: u32,
        output: Option<fn() -> &'static str>,
        targets: &'static [&'static str],
        tags: &'static [&'static str],
        tag_targets: &'static [&'static str],
    ) -> Self {
        Self { function, template, version, output, targets, tags, tag_targets }
    }
}

/// All cached functions of this binary, sorted by their path.
#[must_use]
pub fn functions() -> Vec<&'static Registration> {
    let mut functions: Vec<_> = inventory::iter::<Registration>().collect();
    functions.sort_by_key(|registration| (registration.function, registration.template));
    functions
}

/// Something that the compiler cannot see because it spans functions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A string in `invalidates` that no cached function has as its key.
    UnknownTarget {
        /// The function that invalidates it.
        function: &'static str,
        /// The target as it is written.
        target: &'static str,
        /// The closest template that exists.
        suggestion: Option<&'static str>,
    },
    /// A `tag(..)` in `invalidates` that no cached function has among its `tags`.
    UnknownTag {
        /// The function that invalidates it.
        function: &'static str,
        /// The tag as it is written.
        tag: &'static str,
        /// The closest one that exists.
        suggestion: Option<&'static str>,
    },
    /// Functions that share a template and have different tags: what one of them stores is a miss to the others.
    ConflictingTags {
        /// The template.
        template: &'static str,
        /// The functions, with their tags.
        functions: Vec<(&'static str, &'static [&'static str])>,
    },
    /// Functions that share a template, and return types that cannot share entries.
    ConflictingTypes {
        /// The template.
        template: &'static str,
        /// The functions, with their types.
        functions: Vec<(&'static str, &'static str)>,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTarget { function, target, suggestion } => {
                write!(f, "`{function}` invalidates `{target}`, which no cached function has as its key")?;
                match suggestion {
                    Some(template) => write!(f, "\nhelp: did you mean `{template}`?"),
                    None => Ok(()),
                }
            }
            Self::UnknownTag { function, tag, suggestion } => {
                write!(f, "`{function}` invalidates the tag `{tag}`, which no cached function has")?;
                match suggestion {
                    Some(tag) => write!(f, "\nhelp: did you mean `{tag}`?"),
                    None => Ok(()),
                }
            }
            Self::ConflictingTags { template, functions } => {
                write!(f, "the key `{template}` is used with different tags:")?;
                for (function, tags) in functions {
                    write!(f, "\n  {function} {tags:?}")?;
                }
                write!(f, "\nhelp: give each of them the same `tags`")
            }
            Self::ConflictingTypes { template, functions } => {
                write!(f, "the key `{template}` is used with types that cannot share entries:")?;
                for (function, output) in functions {
                    write!(f, "\n  {function} -> {output}")?;
                }
                write!(f, "\nhelp: give one of them another key")
            }
        }
    }
}

/// Looks for mistakes that span functions. Worth a test of its own in every service:
///
/// ```
/// assert_eq!(cache_runtime::registry::audit(), []);
/// ```
#[must_use]
pub fn audit() -> Vec<Finding> {
    audit_of(&functions())
}

fn audit_of(functions: &[&'static Registration]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let templates =
        || functions.iter().map(|function| function.template).filter(|template| !template.is_empty());
    for function in functions {
        for &target in function.targets {
            if !templates().any(|template| can_meet(target, template)) {
                let suggestion = closest(target, templates());
                findings.push(Finding::UnknownTarget { function: function.function, target, suggestion });
            }
        }
        for &tag in function.tag_targets {
            let tags = || functions.iter().flat_map(|function| function.tags).copied();
            if !tags().any(|other| Template::of(tag).meets(&Template::of(other))) {
                let suggestion = closest(tag, tags());
                findings.push(Finding::UnknownTag { function: function.function, tag, suggestion });
            }
        }
    }
    findings.extend(conflicting_tags(functions));
    let mut by_template = BTreeMap::<_, Vec<_>>::new();
    for function in functions.iter().filter(|function| !function.template.is_empty()) {
        if let Some(output) = function.output {
            let template = (Template::of(function.template).shape(), function.version);
            by_template.entry(template).or_default().push((function, output()));
        }
    }
    for same in by_template.into_values() {
        let value = |output: &'static str| Fingerprint::of(ok_type(output));
        if same.iter().any(|(_, output)| value(output) != value(same[0].1)) {
            let functions = same.iter().map(|(function, output)| (function.function, *output)).collect();
            findings.push(Finding::ConflictingTypes { template: same[0].0.template, functions });
        }
    }
    findings
}

/// Functions that share a template, and differ in their tags.
fn conflicting_tags(functions: &[&'static Registration]) -> Vec<Finding> {
    let shapes = |tags: &'static [&'static str]| {
        let mut shapes: Vec<String> = tags.iter().map(|tag| Template::of(tag).shape()).collect();
        shapes.sort_unstable();
        shapes
    };
    let mut by_template = BTreeMap::<_, Vec<&Registration>>::new();
    for function in functions.iter().filter(|function| !function.template.is_empty()) {
        by_template.entry(Template::of(function.template).shape()).or_default().push(function);
    }
    let differ =
        |same: &Vec<&Registration>| same.iter().any(|other| shapes(other.tags) != shapes(same[0].tags));
    let conflicts = by_template.into_values().filter(differ);
    conflicts
        .map(|same| Finding::ConflictingTags {
            template: same[0].template,
            functions: same.iter().map(|function| (function.function, function.tags)).collect(),
        })
        .collect()
}

/// Whether a target, a key or a pattern, can be meant for entries of a template.
fn can_meet(target: &str, template: &str) -> bool {
    if target.contains('*') {
        let any = Pattern::new(&Template::of(target).0.join("*"));
        any.matches(Template::of(template).0.join("x").as_bytes())
    } else {
        Template::of(target).meets(&Template::of(template))
    }
}

fn closest(written: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|known| (strsim::jaro_winkler(known, written), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

/// `T` of the name of a `Result<T, E>`; other names as they are.
fn ok_type(output: &str) -> &str {
    let Some(inner) = output.strip_prefix("core::result::Result<").and_then(|name| name.strip_suffix('>'))
    else {
        return output;
    };
    let mut depth = 0;
    let end = inner.find(|character| {
        match character {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        depth == 0 && character == ','
    });
    &inner[..end.unwrap_or(inner.len())]
}

/// A template taken apart: literals, with a placeholder between each two.
#[derive(Debug)]
struct Template(Vec<String>);

impl Template {
    fn of(template: &str) -> Self {
        let mut literals = vec![String::new()];
        let mut rest = template.chars().peekable();
        let mut inside = false;
        while let Some(character) = rest.next() {
            match character {
                '<' | '>' if !inside && rest.peek() == Some(&character) => {
                    rest.next();
                    push(&mut literals, character);
                }
                '<' => inside = true,
                '>' if inside => {
                    inside = false;
                    literals.push(String::new());
                }
                _ if inside => {}
                _ => push(&mut literals, character),
            }
        }
        Self(literals)
    }

    /// Whether a key (without namespace and version) can be one of this template's.
    fn matches(&self, key: &str) -> bool {
        fn rest_matches(literals: &[String], key: &str) -> bool {
            let Some((first, others)) = literals.split_first() else { return key.is_empty() };
            // A part never holds a colon, so a placeholder ends there at the latest.
            let longest = key.find(':').unwrap_or(key.len());
            let mut ends = key.char_indices().map(|(at, _)| at).chain([key.len()]);
            ends.by_ref().take_while(|&end| end <= longest).any(|end| {
                key::is_part(&key[..end])
                    && key[end..].strip_prefix(first.as_str()).is_some_and(|key| rest_matches(others, key))
            })
        }
        let Some((first, others)) = self.0.split_first() else { return false };
        key.strip_prefix(first.as_str()).is_some_and(|key| rest_matches(others, key))
    }

    /// Whether some key belongs to both.
    fn meets(&self, other: &Self) -> bool {
        other.matches(&self.0.join("x")) || self.matches(&other.0.join("x"))
    }

    /// The template with its placeholders unnamed.
    fn shape(&self) -> String {
        self.0.join("<>")
    }
}

fn push(literals: &mut [String], character: char) {
    if let Some(last) = literals.last_mut() {
        last.push(character);
    }
}

/// The keys under which entries of a key may be stored: as it is, and under the versions of the functions whose template it
/// matches.
pub(crate) fn keys(namespace: &str, key: &str) -> Vec<String> {
    spelled(namespace, key, |template| template.matches(key))
}

/// The same for a pattern: the functions are those whose keys can begin as it does.
pub(crate) fn patterns(namespace: &str, pattern: &str) -> Vec<String> {
    let start = pattern.split('*').next().unwrap_or_default();
    spelled(namespace, pattern, |Template(literals)| {
        let literal = literals.first().map_or("", String::as_str);
        literal.starts_with(start) || start.starts_with(literal)
    })
}

fn spelled(namespace: &str, text: &str, meets: impl Fn(&Template) -> bool) -> Vec<String> {
    static VERSIONED: LazyLock<Vec<(Template, u32)>> = LazyLock::new(|| {
        let all = functions().into_iter().filter(|function| !function.template.is_empty());
        // Most binaries have no versions, and then nothing needs to be matched.
        if all.clone().all(|function| function.version == 0) {
            return Vec::new();
        }
        all.map(|function| (Template::of(function.template), function.version)).collect()
    });
    let versions = VERSIONED.iter().filter(|(template, _)| meets(template));
    // What was stored by key has no version.
    let prefixes = versions.flat_map(|(_, version)| prefixes(*version)).chain([String::new()]);
    let mut spelled: Vec<String> = prefixes.map(|prefix| format!("{namespace}{prefix}{text}")).collect();
    spelled.sort_unstable();
    spelled.dedup();
    spelled
}

/// The prefixes under which a write of version `n` invalidates: its own, and those of the version before.
///
/// A function without a version counts as its first one, so 2 comes after `v1:` and after no prefix at all.
fn prefixes(version: u32) -> Vec<String> {
    let mut prefixes = vec![version_prefix(version)];
    match version {
        0 => {}
        1 => prefixes.push(String::new()),
        2 => prefixes.extend(["v1:".to_owned(), String::new()]),
        _ => prefixes.push(version_prefix(version - 1)),
    }
    prefixes
}

fn version_prefix(version: u32) -> String {
    if version == 0 { String::new() } else { format!("v{version}:") }
}

/// All keys that a write of `key` makes unusable, itself first.
pub(crate) fn with_previous_versions(key: Key, namespace: &str, version: u32) -> Vec<Key> {
    if version == 0 {
        return vec![key];
    }
    let text = key.to_string();
    let own = format!("{namespace}{}", version_prefix(version));
    let rest = text.strip_prefix(&own).unwrap_or(&text).to_owned();
    let previous = prefixes(version).into_iter().skip(1);
    let previous = previous.map(|prefix| Key::raw(&format!("{namespace}{prefix}{rest}")));
    std::iter::once(key).chain(previous).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_matches_its_keys() {
        let check = |template: &str, key: &str, expected: bool| {
            assert_eq!(Template::of(template).matches(key), expected, "{template} {key}");
        };
        check("user:<id>", "user:42", true);
        check("user:<id>", "user:", true);
        check("user:<id>", "user:42:films", false);
        check("user:<id>:films", "user:42:films", true);
        check("<a>-<b>", "x-y-z", true);
        check("<a>-<b>", "xyz", false);
        check("user:<<<id>>>", "user:<42>", true);
        check("users:leaderboard", "users:leaderboard", true);
        check("users:leaderboard", "users:leaderboards", false);
        check("user:<id>", "user:{id}", false);
        check("user:<id>", "user:a b", false);
        check("user:<id>", "user:50%", false);
        check("user:<id>", "user:a%3Ab", true);
        check("user:<id>", "user:%n", true);
        check("{user:<id>}", "{user:42}", true);
    }

    fn registration(
        function: &'static str,
        template: &'static str,
        output: fn() -> &'static str,
        targets: &'static [&'static str],
    ) -> &'static Registration {
        Box::leak(Box::new(Registration::new(function, template, 0, Some(output), targets, &[], &[])))
    }

    #[test]
    fn the_audit_finds_what_no_function_has() {
        let found = audit_of(&[
            registration("top", "users:leaderboard", || "Vec<User>", &[]),
            registration("get", "user:<id>", || "a::User", &[]),
            registration("find", "user:<key>", || "core::option::Option<b::User>", &[]),
            registration(
                "rename",
                "user:<id>",
                || "core::result::Result<alloc::sync::Arc<User>, db::Error<(u8, u8)>>",
                &[],
            ),
            registration(
                "put",
                "",
                || "()",
                &["users:leaderbord", "user:42", "user:<x>", "film:<id>", "user:{x}"],
            ),
        ]);
        let unknown = |target, suggestion| Finding::UnknownTarget { function: "put", target, suggestion };
        assert_eq!(
            found,
            [
                unknown("users:leaderbord", Some("users:leaderboard")),
                unknown("film:<id>", None),
                unknown("user:{x}", Some("user:<id>"))
            ]
        );
        assert!(found[0].to_string().ends_with("help: did you mean `users:leaderboard`?"));
    }

    #[test]
    fn the_audit_finds_types_that_cannot_share_entries() {
        let found = audit_of(&[
            registration("get", "user:<id>", || "User", &[]),
            registration("name", "user:<key>", || "alloc::string::String", &[]),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("get -> User"), "{}", found[0]);
    }

    #[test]
    fn the_audit_knows_patterns_and_tags() {
        let put: &'static Registration = Box::leak(Box::new(Registration::new(
            "put",
            "",
            0,
            None,
            &["user:<id>:*", "usr:<id>:*", "*"],
            &[],
            &["org:<id>", "ogr:<org>"],
        )));
        let tagged = |function, tags| -> &'static Registration {
            let template = "user:<id>:films";
            Box::leak(Box::new(Registration::new(function, template, 0, None, &[], tags, &[])))
        };
        let found = audit_of(&[put, tagged("get", &["org:<org>"]), tagged("find", &["org:<key>"])]);
        let text: Vec<String> = found.iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), 2, "{text:?}");
        assert!(
            text[0].contains("`usr:<id>:*`") && text[1].ends_with("help: did you mean `org:<org>`?"),
            "{text:?}"
        );
        let found = audit_of(&[tagged("get", &["org:<org>"]), tagged("find", &[])]);
        assert!(
            matches!(found.as_slice(), [Finding::ConflictingTags { functions, .. }] if functions.len() == 2)
        );
    }

    #[test]
    fn a_version_invalidates_the_one_before() {
        let keys = |text: &str, version| {
            let keys = with_previous_versions(Key::raw(text), "app:", version);
            keys.iter().map(Key::to_string).collect::<Vec<_>>()
        };
        assert_eq!(keys("app:user:1", 0), ["app:user:1"]);
        assert_eq!(keys("app:v1:user:1", 1), ["app:v1:user:1", "app:user:1"]);
        assert_eq!(keys("app:v2:user:1", 2), ["app:v2:user:1", "app:v1:user:1", "app:user:1"]);
        assert_eq!(keys("app:v7:user:1", 7), ["app:v7:user:1", "app:v6:user:1"]);
    }
}
