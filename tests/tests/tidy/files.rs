//! The files of the workspace, named from its root.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file that the tests cannot do without.
#[track_caller]
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files below a folder that end with one of these extensions, by their names from the root, sorted.
pub(crate) fn below(folder: &str, extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root().join(&folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        for entry in entries {
            let entry = entry.expect("an entry");
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let extension = Path::new(&name).extension().unwrap_or_default().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                if extension != "git" && !name.ends_with("/target") {
                    folders.push(name);
                }
            } else if extensions.contains(&extension.as_str()) {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// The Rust files below a folder.
pub(crate) fn sources(folder: &str) -> Vec<String> {
    below(folder, &["rs"])
}

/// The identifier that a text begins with.
pub(crate) fn first_word(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// Whether a text holds a word, not as a part of a longer one.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}
