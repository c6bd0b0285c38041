//! Files, and what the documents say of files.

use std::{collections::BTreeSet, fs, path::Path};

use crate::files::{below, read, root};

/// `mod.rs` files that hold more than declarations, with their lines of code. The table may only shrink: what is moved
/// out lowers a number here, and nothing raises one.
const MORE_THAN_DECLARATIONS: [(&str, usize); 10] = [
    ("cache-macros/src/expand/mod.rs", 47),
    ("cache-macros/src/model/mod.rs", 130),
    ("cache-macros/src/parse/mod.rs", 9),
    ("cache-runtime/src/codec/mod.rs", 53),
    ("cache-runtime/src/local/mod.rs", 300),
    ("cache-runtime/src/store/mod.rs", 178),
    ("cache-runtime/src/testing/mod.rs", 24),
    ("examples/src/http/mod.rs", 26),
    ("examples/src/import/mod.rs", 61),
    ("examples/src/service/mod.rs", 21),
];

/// Folders whose `mod.rs` files are counted.
const COUNTED: [&str; 4] = ["cache-macros/src", "cache-runtime/src", "examples/src", "tests/src"];

/// The lines of a file that are neither empty, comments, attributes, nor declarations of modules and imports.
fn lines_of_code(source: &str) -> usize {
    let mut open = false;
    let mut count = 0;
    for line in source.lines().map(str::trim) {
        if line.is_empty() || line.starts_with("//") || line.starts_with("#[") || line.starts_with("#![") {
            continue;
        }
        let visible = line.strip_prefix("pub").map_or(line, |rest| {
            let rest =
                rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |rest| rest.1);
            rest.trim_start()
        });
        let starts = ["use ", "mod ", "extern crate "].iter().any(|word| visible.starts_with(word));
        if open || (starts && !visible.ends_with(" {")) || visible.starts_with("use ") {
            open = !line.ends_with(';');
        } else {
            count += 1;
        }
    }
    count
}

#[test]
fn mod_files_declare_document_and_re_export() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for folder in COUNTED {
        for path in below(folder, &["rs"]).into_iter().filter(|path| path.ends_with("/mod.rs")) {
            let count = lines_of_code(&read(&path));
            let listed = MORE_THAN_DECLARATIONS.iter().find(|(listed, _)| *listed == path);
            let allowed = listed.map_or(0, |(_, allowed)| *allowed);
            seen.insert(path.clone());
            if count > allowed {
                wrong.push(format!(
                    "(\"{path}\", {count}): more than {allowed}; move it to a file of its own name"
                ));
            } else if count < allowed {
                wrong.push(format!(
                    "(\"{path}\", {count}): less than {allowed}; lower the number, or drop the line"
                ));
            }
        }
    }
    let gone = MORE_THAN_DECLARATIONS.iter().filter(|(listed, _)| !seen.contains(*listed));
    wrong.extend(gone.map(|(path, _)| format!("(\"{path}\", ..): is not there; drop the line")));
    assert!(seen.len() > 10, "only {seen:?} were seen");
    assert!(wrong.is_empty(), "MORE_THAN_DECLARATIONS does not hold:\n{}", wrong.join("\n"));
}

#[test]
fn lines_of_code_are_counted() {
    let declarations =
        "//! Docs.\n\n#[cfg(test)]\nmod tests;\npub(crate) mod a;\npub use a::{\n    B,\n    C,\n};\n";
    assert_eq!(lines_of_code(declarations), 0);
    assert_eq!(lines_of_code("use a::B;\n\n/// Docs.\npub struct C {\n    d: B,\n}\n"), 3);
    assert_eq!(lines_of_code("mod inline {\n    fn f() {}\n}\n"), 3);
}

/// The code spans in the first column of the tables of a document.
fn map_of(document: &str) -> Vec<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    rows.flat_map(|cell| {
        let names: Vec<String> =
            cell.split("`, `").map(|name| name.trim_end_matches('`').to_owned()).collect();
        // "`cache-runtime/src/cache`, `builder`": the folder of the first is that of all.
        let folder = names[0].rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let rest = names[1..].iter().map(|name| format!("{folder}{name}")).collect::<Vec<_>>();
        [vec![names[0].clone()], rest].concat()
    })
    .collect()
}

#[test]
fn the_map_in_architecture_is_the_tree() {
    let architecture = read("ARCHITECTURE.md");
    let part = architecture.split("\n## Where things are\n").nth(1).expect("the map");
    let map: BTreeSet<String> = map_of(part.split("\n## ").next().unwrap_or_default()).into_iter().collect();
    assert!(map.len() > 20, "the reader of the map is broken: {map:?}");
    for name in &map {
        let there = root().join(name).exists() || root().join(format!("{name}.rs")).exists();
        assert!(there, "ARCHITECTURE.md has `{name}` on its map, which is not there");
    }
    for crate_ in ["cache-macros/src", "cache-runtime/src"] {
        for entry in fs::read_dir(root().join(crate_)).expect("a folder") {
            let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let name = format!("{crate_}/{}", file.trim_end_matches(".rs"));
            assert!(file == "lib.rs" || map.contains(&name), "`{name}` is not on the map of ARCHITECTURE.md");
        }
    }
    let mut members =
        read("Cargo.toml").lines().find(|line| line.starts_with("members")).expect("members").to_owned();
    members.push_str(", \"docs\"");
    for member in members.split('"').skip(1).step_by(2) {
        let there = map.iter().any(|name| name == member || name.starts_with(&format!("{member}/")));
        assert!(there, "the folder `{member}` is not on the map of ARCHITECTURE.md");
    }
}

#[test]
fn each_package_says_what_it_is_and_brings_its_licences() {
    for package in ["cache-macros", "cache-runtime"] {
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let packed = read(&format!("{package}/{licence}"));
            assert!(packed == read(licence), "{package}/{licence} is not the text at the root");
        }
        let manifest = read(&format!("{package}/Cargo.toml"));
        for field in ["description", "readme", "keywords", "categories", "license", "rust-version"] {
            let given = manifest.lines().any(|line| line.starts_with(field));
            assert!(given, "{package}/Cargo.toml does not give `{field}`");
        }
    }
}

/// The targets of `[text](target)` that are files.
fn links(document: &str) -> Vec<&str> {
    let targets = document.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#') && !target.is_empty())
        .collect()
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut seen = 0;
    for folder in [".", "docs", "benches", "examples", "fuzz", ".github"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let document = fs::read_to_string(&path).expect("text");
            for link in links(&document) {
                let (file, _) = link.split_once('#').unwrap_or((link, ""));
                let there = path.parent().unwrap_or(Path::new("")).join(file).exists();
                assert!(there, "{} links to {link}, which is not there", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "only {seen} links were seen");
}
