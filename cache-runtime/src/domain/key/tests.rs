use proptest::{collection::vec, option, prelude::*};

use super::*;

/// The key of a template `k:<a>..` with `stop` behind its part.
fn rendered(parts: &[&dyn Written], separator: &str) -> String {
    let mut key = KeyWriter::new("k:");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            key.literal(separator);
        }
        let stop = separator.bytes().next().filter(|byte| *byte != b':' && index + 1 < parts.len());
        key.open(stop.unwrap_or(0));
        part.write(&mut key);
        key.close();
    }
    key.finish().to_string()
}

/// `KeyPart`, for lists of different types.
trait Written {
    fn write(&self, key: &mut KeyWriter);
}

impl<P: KeyPart> Written for P {
    fn write(&self, key: &mut KeyWriter) {
        self.write_part(key);
    }
}

fn check(part: &dyn Written, expected: &str) {
    assert_eq!(rendered(&[part], ":"), format!("k:{expected}"));
}

#[test]
fn parts_are_written_as_people_expect() {
    check(&42_u64, "42");
    check(&-7_i32, "-7");
    check(&u128::MAX, "340282366920938463463374607431768211455");
    check(&true, "true");
    check(&'x', "x");
    check(&"Ada", "Ada");
    check(&"Ada".to_owned(), "Ada");
    check(&"naïve", "naïve");
    check(&Cow::Borrowed("Ada"), "Ada");
    check(&Box::new(1), "1");
    check(&Arc::<str>::from("Ada"), "Ada");
    check(&Some(1), "1");
    check(&(1, "a"), "1,a,");
    check(&vec![1, 2], "2,1,2,");
    check(&[1, 2, 3], "3,1,2,3,");
    check(&BTreeSet::from(["b", "a"]), "2,a,b,");
    check(&BTreeMap::from([("b", 1), ("a", 2)]), "2,a,2,b,1,");
}

#[test]
fn a_text_is_a_part_if_escaping_can_make_it() {
    for text in ["42", "Ada", "naïve", "a%3Ab", "%n", "%s%n", "1,a,", &format!("%h{}", "0".repeat(64))] {
        assert!(is_part(text), "{text}");
    }
    for text in ["{id}", "a:b", "a b", "50%", "%s", "%d", "*", "[x]", "\u{a0}"] {
        assert!(!is_part(text), "{text}");
    }
}

#[test]
fn what_means_something_is_escaped() {
    check(&"a:b", "a%3Ab");
    check(&"50%", "50%25");
    check(&"{x}*?[]\\", "%7Bx%7D%2A%3F%5B%5D%5C");
    check(&"a b\r\n\0", "a%20b%0D%0A%00");
    check(&"\u{a0}\u{85}\u{2028}", "%C2%A0%C2%85%E2%80%A8");
    check(&("a,b", "c"), "a%2Cb,c,");
    check(&"a,b", "a,b");
}

#[test]
fn none_is_not_a_text() {
    check(&None::<&str>, "%n");
    check(&Some("None"), "None");
    check(&Some("%n"), "%25n");
    check(&Some(None::<u8>), "%s%n");
    check(&Some(Some(None::<u8>)), "%s%s%n");
}

#[test]
fn a_long_part_is_its_hash() {
    let at_limit = "a".repeat(LONGEST_PART);
    check(&at_limit, &at_limit);
    let over = "a".repeat(LONGEST_PART + 1);
    let hash = Sha256::digest(over.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    check(&over, &format!("%h{hash}"));
    assert_eq!(rendered(&[&over, &1], ":"), format!("k:%h{hash}:1"));
    check(&format!("%h{hash}"), &format!("%25h{hash}"));
}

#[test]
fn a_separator_other_than_a_colon_is_escaped_in_the_part_before_it() {
    assert_eq!(rendered(&[&"a-b", &"c-d"], "-"), "k:a%2Db-c-d");
    assert_eq!(rendered(&[&-1, &-2], "-"), "k:%2D1--2");
    assert_eq!(rendered(&[&"a1b", &"1"], "1"), "k:a%31b11");
}

/// Characters that decide something, and some that do not.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        Just(':'),
        Just('%'),
        Just(','),
        Just('-'),
        Just('n'),
        Just('s'),
        Just('h'),
        Just('{'),
        Just('*'),
        Just('\n'),
        Just('3'),
        Just('A'),
        any::<char>()
    ];
    vec(character, 0..6).prop_map(String::from_iter)
}

fn long_or_short() -> impl Strategy<Value = String> {
    (text(), 0_usize..140).prop_map(|(text, padding)| text + &"x".repeat(padding))
}

type Arguments = (String, Option<Option<String>>, i16, Vec<String>, (String, Option<u8>));

fn arguments() -> impl Strategy<Value = Arguments> {
    (
        long_or_short(),
        option::of(option::of(text())),
        any::<i16>(),
        vec(text(), 0..3),
        (text(), option::of(0_u8..3)),
    )
}

fn key_of((a, b, c, d, e): &Arguments, separator: &str) -> String {
    rendered(&[a, b, c, d, e], separator)
}

/// What was escaped, byte for byte.
fn unescaped(part: &str) -> Vec<u8> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().expect("the first").as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn different_arguments_never_share_a_key(one in arguments(), two in arguments(), separator in "[:,n%s3-]") {
        // `%` cannot stand in a template.
        let separator = separator.replace('%', ":");
        prop_assert_eq!(one == two, key_of(&one, &separator) == key_of(&two, &separator));
    }

    #[test]
    fn neighbours_never_share_a_key(one in (text(), text()), two in (text(), text()), separator in "[:,n3-]") {
        let key = |(a, b): &(String, String)| rendered(&[a, b], &separator);
        prop_assert_eq!(one == two, key(&one) == key(&two));
    }

    #[test]
    fn options_and_lists_never_share_a_key(
        one in vec(option::of(text()), 0..3), two in vec(option::of(text()), 0..3),
    ) {
        prop_assert_eq!(one == two, rendered(&[&one], ":") == rendered(&[&two], ":"));
    }

    #[test]
    fn a_text_can_be_read_back(text in vec(any::<char>(), 0..10), nested in any::<bool>(), stop in "[:,n3-]") {
        // Escaped it is shorter than what is replaced by its hash.
        let text = String::from_iter(text);
        let key = if nested {
            rendered(&[&(text.clone(), 7), &1], &stop)
        } else {
            rendered(&[&text, &1], &stop)
        };
        let part = key.strip_prefix("k:").and_then(|key| key.strip_suffix(&format!("{stop}1"))).expect("its place");
        // In a tuple the comma that closes the text is the only one that is not escaped, but for the last.
        let part = if nested { part.split(',').next().expect("the first") } else { part };
        prop_assert_eq!(unescaped(part), text.as_bytes());
    }

    #[test]
    fn no_argument_leaves_its_place(texts in vec(any::<String>(), 1..4), nested in any::<bool>()) {
        let key = if nested {
            rendered(&[&texts], ":")
        } else {
            rendered(&texts.iter().map(|text| text as &dyn Written).collect::<Vec<_>>(), ":")
        };
        // Namespace and template see their own separators, and nothing else.
        prop_assert_eq!(key.matches(':').count(), if nested { 1 } else { texts.len() });
        for byte in key.bytes() {
            prop_assert!(byte > b' ' && byte != 0x7f && !b"{}*?[]\\".contains(&byte), "{key:?}");
        }
        prop_assert!(!key.chars().any(|character| character.is_whitespace() || character.is_control()));
    }

    #[test]
    fn a_part_never_holds_what_means_something(arguments in arguments()) {
        let (a, b, c, d, e) = &arguments;
        for part in [a as &dyn Written, b, c, d, e] {
            let key = rendered(&[part], ":");
            let part = &key[2..];
            prop_assert!(
                !part.chars().any(|character| ":{}*?[]\\".contains(character)
                    || character.is_whitespace() || character.is_control()),
                "{part:?}"
            );
        }
    }
}
