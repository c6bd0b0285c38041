//! `docs/PROTOCOL.md` beside the code: rules, places, and the switches of the model.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{below, first_word, has_word, read, root};

const PROTOCOL: &str = "docs/PROTOCOL.md";

/// Where a rule may be cited; in the first two each rule must be.
const CITING: [&str; 4] = ["cache-runtime/src", "tests/tests/model", "cache-macros/src", "tests/tests/it"];

/// A numbered rule: the text from its heading to the next.
struct Rule {
    number: u32,
    text: String,
}

fn rules() -> Vec<Rule> {
    let protocol = read(PROTOCOL);
    let sections = protocol.split("\n### Rule ").skip(1);
    let rules = sections.map(|section| {
        let number = section.split(':').next().and_then(|number| number.parse().ok());
        let text = section.split("\n## ").next().unwrap_or_default().to_owned();
        Rule { number: number.expect("`### Rule <number>: <title>`"), text }
    });
    rules.collect()
}

/// The numbers in "rule 7", "rules 3 and 8", "rules 1, 2 and 5".
fn cited(text: &str) -> Vec<u32> {
    let text = text.to_lowercase();
    let mut numbers = Vec::new();
    for (at, _) in text.match_indices("rule") {
        let mut rest = text[at + "rule".len()..].trim_start_matches('s');
        while let Some(list) = [" ", ", ", " and ", " or "].iter().find_map(|joint| {
            rest.strip_prefix(joint).filter(|list| list.starts_with(|first: char| first.is_ascii_digit()))
        }) {
            let length = list.find(|character: char| !character.is_ascii_digit()).unwrap_or(list.len());
            numbers.push(list[..length].parse().expect("digits"));
            rest = &list[length..];
        }
    }
    numbers
}

/// The lines of one bullet of a rule (`- **Code.**`), as one line.
fn bullet(rule: &Rule, name: &str) -> String {
    let start = format!("- **{name}.**");
    let bullet = rule.text.split("\n- ").map(|bullet| format!("- {bullet}"));
    let found = bullet.into_iter().find(|bullet| bullet.starts_with(&start));
    let found = found.unwrap_or_else(|| panic!("rule {} has no bullet `{start}`", rule.number));
    found.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

/// What stands between backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The variants of the `enum Rule` of one world of the model.
fn switches(world: &str) -> BTreeSet<String> {
    let source = read(&format!("tests/tests/model/{world}/mod.rs"));
    let body = source.split("enum Rule {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("an enum");
    let lines = body.lines().map(str::trim).filter(|line| line.starts_with(char::is_uppercase));
    lines.map(first_word).collect()
}

const WORLDS: [&str; 3] = ["single", "fleet", "batch"];

#[test]
fn rules_are_numbered_one_after_another() {
    let numbers: Vec<u32> = rules().iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=u32::try_from(numbers.len()).expect("few")).collect::<Vec<_>>());
    assert!(numbers.len() > 12, "the reader of {PROTOCOL} finds only {numbers:?}");
}

#[test]
fn each_rule_that_is_cited_exists_and_each_rule_is_cited() {
    let known: BTreeSet<u32> = rules().iter().map(|rule| rule.number).collect();
    let mut missing = known.clone();
    for (place, folder) in CITING.into_iter().enumerate() {
        for path in below(folder, &["rs", "lua"]) {
            for number in cited(&read(&path)) {
                assert!(
                    known.contains(&number),
                    "{path} cites rule {number}, which {PROTOCOL} does not have"
                );
                if place < 2 {
                    missing.remove(&number);
                }
            }
        }
    }
    assert!(missing.is_empty(), "no comment of the runtime or the model cites the rules {missing:?}");
}

#[test]
fn each_place_that_a_rule_names_is_there() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for rule in rules() {
        let bullet = bullet(&rule, "Code");
        let mut file = None::<(String, String)>;
        for span in spans(&bullet) {
            let number = rule.number;
            if span.contains('/') {
                if root().join(span).is_file() {
                    file = Some((span.to_owned(), read(span)));
                } else {
                    wrong.push(format!("rule {number} names `{span}`, which is not there"));
                    file = Some((span.to_owned(), String::new()));
                }
                continue;
            }
            let (path, source) = file.as_ref().expect("a path in front of a name");
            let name = span.rsplit("::").next().expect("a name");
            let kinds = ["fn", "const", "static", "struct", "enum", "trait", "local function"];
            let declared = kinds.iter().any(|kind| has_word(source, &format!("{kind} {name}")));
            if !declared {
                wrong.push(format!("rule {number} names `{span}`, which {path} does not declare"));
            }
            seen += 1;
        }
        assert!(file.is_some(), "rule {} names no file", rule.number);
    }
    assert!(wrong.is_empty(), "{PROTOCOL} does not fit the code:\n{}", wrong.join("\n"));
    assert!(seen > 30, "only {seen} places were seen: the reader of bullets is broken");
}

#[test]
fn each_switch_of_the_model_belongs_to_a_rule() {
    let known: BTreeMap<&str, BTreeSet<String>> = WORLDS.map(|world| (world, switches(world))).into();
    let mut named = WORLDS.map(|world| (world, BTreeSet::new())).into_iter().collect::<BTreeMap<_, _>>();
    for rule in rules() {
        for span in spans(&bullet(&rule, "Model")) {
            let (world, switch) = span.split_once("::").expect("`world::Switch`");
            let there = known.get(world).is_some_and(|switches| switches.contains(switch));
            assert!(there, "rule {} names the switch `{span}`, which the model does not have", rule.number);
            named.get_mut(world).expect("a world").insert(switch.to_owned());
        }
    }
    for world in WORLDS {
        let forgotten: Vec<_> = known[world].difference(&named[world]).collect();
        assert!(
            forgotten.is_empty(),
            "no rule of {PROTOCOL} names these switches of `{world}`: {forgotten:?}"
        );
    }
}

#[test]
fn citations_are_read_as_they_are_written() {
    assert_eq!(cited("(rule 7)"), [7]);
    assert_eq!(cited("Rules 3 and 8 of the protocol; rules 1, 2 and 15"), [3, 8, 1, 2, 15]);
    assert_eq!(cited("every rule is here; ruled 3; rules_of 4"), [0; 0]);
}
