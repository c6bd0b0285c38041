//! Which module imports which, and words that stand nowhere.

use crate::files::{first_word, read, sources};

/// From left to right: a module imports from its own ring and from rings before it, and those that share a ring
/// with others on one line do not know each other.
const RINGS: [&[&str]; 7] = [
    &["error", "domain", "sync"],
    &["ambient"],
    &["codec", "metrics", "resilience", "redis"],
    &["store", "local", "flight"],
    &["engine"],
    &["cache", "registry", "builder", "entry"],
    &["testing", "__private", "fuzz"],
];

/// Rings whose modules may know each other.
const OPEN: [usize; 2] = [0, 5];

fn ring(module: &str) -> Option<usize> {
    RINGS.iter().position(|ring| ring.contains(&module))
}

/// The names after `crate::` in the code of a file.
fn imported(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find("crate::") {
        rest = &rest[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.push(first_word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, character) in list.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ if start && depth == 0 && !character.is_whitespace() => {
                    names.push(first_word(&list[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    names
}

#[test]
fn imports_go_left() {
    let mut seen = 0;
    for path in sources("cache-runtime/src") {
        let inside = path.strip_prefix("cache-runtime/src/").expect("inside");
        if inside == "lib.rs" || inside.contains("tests") || inside.contains("conformance") {
            continue;
        }
        let module = first_word(inside);
        let Some(from) = ring(&module) else { panic!("{inside} has no ring: add `{module}` to the table") };
        for name in imported(&read(&path)) {
            let Some(to) = ring(&name) else { continue };
            seen += 1;
            let same = module == name;
            let neighbours = from == to && OPEN.contains(&from);
            assert!(same || to < from || neighbours, "{inside} imports `{name}`, which is to its right");
        }
    }
    assert!(seen > 60, "only {seen} imports were seen: the reader of `use` lines is broken");
}

#[test]
fn the_domain_is_pure() {
    for path in sources("cache-runtime/src/domain") {
        let source = read(&path);
        for impure in
            ["async ", "tokio", "redis::", "std::time::Instant", "SystemTime", "std::fs", "std::net"]
        {
            assert!(!source.contains(impure), "{path} holds `{impure}`");
        }
    }
}

#[test]
fn expansions_name_the_private_surface_and_core_only() {
    for path in sources("cache-macros/src/expand") {
        let source = read(&path);
        let outside = source.matches("::cache_runtime").count();
        let allowed = usize::from(path.ends_with("/paths.rs"));
        assert_eq!(outside, allowed, "{path} names the runtime itself");
    }
}

#[test]
fn nothing_is_unfinished() {
    for folder in ["cache-macros/src", "cache-runtime/src", "examples/src", "xtask/src", "benches", "tests"] {
        for path in sources(folder) {
            if path.contains("/tidy/") {
                continue;
            }
            let source = read(&path);
            for unfinished in ["todo!(", "unimplemented!(", "FIXME", "#[ignore]"] {
                assert!(!source.contains(unfinished), "{path} holds `{unfinished}`");
            }
        }
    }
}
