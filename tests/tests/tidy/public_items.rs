//! What users of the crates see, read from the source, and whether the changelog names what has changed in it.
//!
//! `docs/public-items.txt` lists the public items of the last release. An item that is not on the list, or on the list
//! and gone, must be named in the part "Unreleased" of CHANGELOG.md. At a release the list is written anew:
//! `CACHE_PUBLIC_ITEMS=write cargo test -p cache-tests --all-features --test tidy public_items`.

use std::{collections::BTreeSet, fs};

use quote::ToTokens;
use syn::{Attribute, Fields, FnArg, ImplItem, Item, Signature, TraitItem, Type, UseTree, Visibility};

use crate::files::{first_word, has_word, read, root, sources};

const LIST: &str = "docs/public-items.txt";

/// The public items of the runtime by the names under which they are reached, and what else is a promise to users:
/// options, features, metrics and variables of the environment.
fn public_items() -> BTreeSet<String> {
    let files: Vec<syn::File> = sources("cache-runtime/src")
        .iter()
        .filter(|path| {
            !["/tests", "/fuzz.rs", "/__private.rs", "/conformance"].iter().any(|part| path.contains(part))
        })
        .map(|path| syn::parse_file(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
        .collect();
    let all: Vec<&Item> = files.iter().flat_map(|file| &file.items).collect();
    let mut listing = BTreeSet::new();
    let root = syn::parse_file(&read("cache-runtime/src/lib.rs")).expect("lib.rs");
    for name in exported(&root) {
        let found = all.iter().filter(|item| name_of(item).is_some_and(|declared| declared == name));
        found.for_each(|item| list(item, "", &all, &mut listing));
    }
    list_modules(&root, "", &all, &mut listing);
    listing.extend(options().map(|option| format!("option {option}")));
    listing.extend(features().map(|feature| format!("feature {feature}")));
    let metrics = words(&between("cache-runtime/src/metrics/names.rs", "const ", "static METADATA"));
    listing.extend(metrics.iter().map(|metric| format!("metric {metric}")));
    let variables = words(&between("cache-runtime/src/builder/environment.rs", "const NAMES", "];"));
    listing.extend(variables.iter().map(|name| format!("variable {name}")));
    listing
}

/// The names that `pub use` brings to the root of the crate.
fn exported(root: &syn::File) -> Vec<String> {
    fn leaves(tree: &UseTree, names: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => leaves(&path.tree, names),
            UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
            UseTree::Name(name) => names.push(name.ident.to_string()),
            UseTree::Rename(name) => names.push(name.rename.to_string()),
            UseTree::Glob(_) => {}
        }
    }
    let mut names = Vec::new();
    for item in &root.items {
        if let Item::Use(item) = item
            && is_public(&item.vis, &item.attrs)
        {
            leaves(&item.tree, &mut names);
        }
    }
    names
}

/// Adds the items of the public modules of a file, and of theirs.
fn list_modules(file: &syn::File, parent: &str, all: &[&Item], listing: &mut BTreeSet<String>) {
    for item in &file.items {
        let Item::Mod(module) = item else { continue };
        if !is_public(&module.vis, &module.attrs) {
            continue;
        }
        let module = format!("{parent}{}::", module.ident);
        let path = format!("cache-runtime/src/{}", module.trim_end_matches("::").replace("::", "/"));
        let paths = [format!("{path}.rs"), format!("{path}/mod.rs")];
        let path = paths.iter().find(|path| root().join(path).is_file()).expect("the file of a module");
        let file = syn::parse_file(&read(path)).expect("a file");
        file.items.iter().for_each(|item| list(item, &module, all, listing));
        list_modules(&file, &module, all, listing);
    }
}

fn name_of(item: &Item) -> Option<String> {
    let (visibility, attributes, name) = match item {
        Item::Struct(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Enum(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Trait(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident),
        Item::Const(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Type(item) => (&item.vis, &item.attrs, &item.ident),
        _ => return None,
    };
    is_public(visibility, attributes).then(|| name.to_string())
}

fn is_public(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes)
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc") && attribute.to_token_stream().to_string().contains("hidden")
    })
}

/// Adds an item, and what belongs to it: fields, variants, methods.
fn list(item: &Item, module: &str, all: &[&Item], listing: &mut BTreeSet<String>) {
    let Some(name) = name_of(item) else { return };
    let name = format!("{module}{name}");
    match item {
        Item::Struct(item) => {
            listing.insert(format!("struct {name}{}", text(&item.generics)));
            fields(&item.fields, &name, false, listing);
            methods(&item.ident.to_string(), &name, all, listing);
        }
        Item::Enum(item) => {
            listing.insert(format!("enum {name}{}", text(&item.generics)));
            for variant in &item.variants {
                let variant_name = format!("{name}::{}", variant.ident);
                listing.insert(variant_name.clone());
                fields(&variant.fields, &variant_name, true, listing);
            }
            methods(&item.ident.to_string(), &name, all, listing);
        }
        Item::Trait(item) => {
            listing.insert(format!("trait {name}{}", text(&item.generics)));
            for member in &item.items {
                if let TraitItem::Fn(function) = member
                    && !is_hidden(&function.attrs)
                {
                    listing.insert(signature(&format!("{name}::"), &function.sig));
                }
            }
        }
        Item::Fn(item) => drop(listing.insert(signature(module, &item.sig))),
        Item::Const(item) => drop(listing.insert(format!("const {name}: {}", text(&item.ty)))),
        Item::Type(item) => drop(listing.insert(format!("type {name} = {}", text(&item.ty)))),
        _ => {}
    }
}

fn fields(fields: &Fields, name: &str, all: bool, listing: &mut BTreeSet<String>) {
    for (index, field) in fields.iter().enumerate() {
        if all || is_public(&field.vis, &field.attrs) {
            let field_name = field.ident.as_ref().map_or_else(|| index.to_string(), ToString::to_string);
            listing.insert(format!("{name}::{field_name}: {}", text(&field.ty)));
        }
    }
}

/// The public functions in the `impl` blocks of a type, wherever in the crate they stand.
fn methods(type_name: &str, name: &str, all: &[&Item], listing: &mut BTreeSet<String>) {
    for item in all {
        let Item::Impl(block) = item else { continue };
        let Type::Path(path) = &*block.self_ty else { continue };
        let is_of_type = path.path.segments.last().is_some_and(|segment| segment.ident == type_name);
        if block.trait_.is_some() || !is_of_type {
            continue;
        }
        for member in &block.items {
            match member {
                ImplItem::Fn(function) if is_public(&function.vis, &function.attrs) => {
                    listing.insert(signature(&format!("{name}::"), &function.sig));
                }
                ImplItem::Const(constant) if is_public(&constant.vis, &constant.attrs) => {
                    listing.insert(format!("const {name}::{}: {}", constant.ident, text(&constant.ty)));
                }
                _ => {}
            }
        }
    }
}

/// A signature without the names of its arguments, which are no promise.
fn signature(path: &str, signature: &Signature) -> String {
    let arguments = signature.inputs.iter().map(|argument| match argument {
        // `mut self` is of no interest to callers.
        FnArg::Receiver(receiver) => text(receiver).trim_start_matches("mut ").to_owned(),
        FnArg::Typed(argument) => text(&argument.ty),
    });
    let kind = if signature.asyncness.is_some() { "async fn" } else { "fn" };
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    let (name, generics, output) = (&signature.ident, text(&signature.generics), text(&signature.output));
    let bounds = signature.generics.where_clause.as_ref().map(text).unwrap_or_default();
    let line =
        format!("{kind} {path}{name}{generics}({arguments}) {output} {}", bounds.trim_end_matches(','));
    line.replace("  ", " ").trim_end().to_owned()
}

/// Tokens as one would write them.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" :", ":"),
        ("( ", "("),
        (" )", ")"),
        (" (", "("),
        ("' ", "'"),
        ("->(", "-> ("),
        (" ;", ";"),
        ("< ", "<"),
        ("? ", "?"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}

/// The options in the table of the attribute's documentation.
fn options() -> impl Iterator<Item = String> {
    let source = read("cache-macros/src/lib.rs");
    let rows: Vec<String> = source
        .lines()
        .filter_map(|line| Some(line.strip_prefix("/// | `")?.split(" | ").next()?.to_owned()))
        .collect();
    rows.into_iter().flat_map(|cell| {
        cell.split("`, `").map(|name| name.trim_end_matches('`').to_owned()).collect::<Vec<_>>()
    })
}

fn features() -> impl Iterator<Item = String> {
    let manifest = read("cache-runtime/Cargo.toml");
    let table =
        manifest.split("[features]\n").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
    let names: Vec<String> = table
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()))
        .collect();
    names.into_iter()
}

/// The part of a file from one text to another.
#[track_caller]
fn between(path: &str, from: &str, to: &str) -> String {
    let source = read(path);
    let part = source.split_once(from).and_then(|(_, rest)| Some(rest.split_once(to)?.0.to_owned()));
    part.unwrap_or_else(|| panic!("{path} has no part from `{from}` to `{to}`"))
}

/// The string literals of a code.
fn words(code: &str) -> Vec<String> {
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The last identifier in the name of an item: what a changelog must hold.
fn last_name(item: &str) -> &str {
    const KINDS: [&str; 11] = [
        "async ",
        "fn ",
        "struct ",
        "enum ",
        "trait ",
        "const ",
        "type ",
        "option ",
        "feature ",
        "metric ",
        "variable ",
    ];
    let name = KINDS.iter().fold(item, |name, kind| name.strip_prefix(kind).unwrap_or(name));
    let words = name.split("::").map(|segment| (segment, first_word(segment).len()));
    // The path ends with the first segment that is more than a word: `Health::state: ..`, `Cache::get(..)`.
    let mut last = name;
    for (segment, length) in words {
        // Of the fields of a tuple, the name of the tuple.
        if !segment.starts_with(|first: char| first.is_ascii_digit()) {
            last = &segment[..length];
        }
        if length < segment.len() {
            break;
        }
    }
    last
}

/// What differs between two listings and is not named in a text.
fn unnamed(released: &BTreeSet<String>, current: &BTreeSet<String>, changes: &str) -> Vec<String> {
    let added = current.difference(released).map(|item| ("new", item));
    let gone = released.difference(current).map(|item| ("gone", item));
    let missing = added.chain(gone).filter(|(_, item)| !has_word(changes, last_name(item)));
    missing.map(|(how, item)| format!("{how}: {item}")).collect()
}

#[test]
fn public_items_that_changed_are_named_in_the_changelog() {
    let current = public_items();
    if std::env::var("CACHE_PUBLIC_ITEMS").is_ok_and(|what| what == "write") {
        let lines: String = current.iter().map(|item| format!("{item}\n")).collect();
        fs::write(root().join(LIST), lines).expect("the list");
    }
    for item in [
        "fn Cache::install",
        "ErrorKind::",
        "fn testing::server::",
        "option ttl",
        "feature testing",
        "metric cache_load_seconds",
    ] {
        assert!(current.iter().any(|line| line.starts_with(item)), "the reader of items finds no `{item}`");
    }
    let released: BTreeSet<String> = read(LIST).lines().map(str::to_owned).collect();
    let changelog = read("CHANGELOG.md");
    let unreleased = changelog.split("\n## ").nth(1).expect("a part of the changelog");
    assert!(unreleased.starts_with("[Unreleased]"), "the changelog begins with `## [Unreleased]`");
    let unnamed = unnamed(&released, &current, unreleased);
    assert!(
        unnamed.is_empty(),
        "public items differ from {LIST}, and the part \"Unreleased\" of CHANGELOG.md does not name them:\n{}",
        unnamed.join("\n")
    );
}

#[test]
fn a_change_is_named_by_its_last_name() {
    let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<BTreeSet<_>>();
    let released = set(&["struct Cache", "fn Cache::get(&self, u8)", "Calls::stale: u64"]);
    let current = set(&["struct Cache", "fn Cache::get(&self, u16)", "option label"]);
    assert_eq!(unnamed(&released, &current, "- `get` and `stale`, `label`"), [""; 0]);
    let expected = ["new: option label", "gone: Calls::stale: u64"];
    assert_eq!(unnamed(&released, &current, "- `Cache::get` takes more; a labelled thing"), expected);
    assert_eq!(last_name("async fn testing::server::run<T>(Vec<a::B>) -> u8"), "run");
    assert_eq!(last_name("Remaining::For::0: Duration"), "For");
}

#[test]
fn items_are_written_as_one_would() {
    let tokens =
        "pub async fn get<V: ?Sized>(&self, key: &'a str, f: impl Fn(u8) -> u8) -> Vec<a::B> where V: Copy,";
    let function: syn::ItemFn = syn::parse_str(&format!("{tokens} {{}}")).expect("a function");
    let expected = "async fn A::get<V: ?Sized>(&self, &'a str, impl Fn(u8) -> u8) -> Vec<a::B> where V: Copy";
    assert_eq!(signature("A::", &function.sig), expected);
}
