//! Patterns: sets of keys by their spelling, `user:42:*`.

use super::key::Key;

/// Text in which each `*` stands for any characters, also for none. Nothing else has a meaning in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern(Key);

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(Key::raw(text))
    }

    /// All keys that begin so.
    pub(crate) fn of_prefix(prefix: &str) -> Self {
        Self::new(&format!("{prefix}*"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// As Redis takes it: there more characters have a meaning, and a backslash takes it away.
    pub(crate) fn glob(&self) -> Vec<u8> {
        let mut glob = Vec::with_capacity(self.as_bytes().len());
        for &byte in self.as_bytes() {
            if matches!(byte, b'?' | b'[' | b']' | b'\\') {
                glob.push(b'\\');
            }
            glob.push(byte);
        }
        glob
    }

    pub(crate) fn matches(&self, key: &[u8]) -> bool {
        let mut literals = self.as_bytes().split(|byte| *byte == b'*');
        let first = literals.next().unwrap_or_default();
        let Some(mut rest) = key.strip_prefix(first) else { return false };
        let Some(last) = literals.next_back() else { return rest.is_empty() };
        // What stands in between is found as early as it can be, which leaves the most to the others.
        for literal in literals {
            let Some(at) = find(rest, literal) else { return false };
            rest = &rest[at + literal.len()..];
        }
        rest.ends_with(last)
    }
}

fn find(text: &[u8], literal: &[u8]) -> Option<usize> {
    if literal.is_empty() {
        return Some(0);
    }
    text.windows(literal.len()).position(|window| window == literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_nothing_else_has_a_meaning() {
        let check = |pattern: &str, key: &str, expected: bool| {
            assert_eq!(Pattern::new(pattern).matches(key.as_bytes()), expected, "{pattern} {key}");
        };
        check("user:42:*", "user:42:films", true);
        check("user:42:*", "user:42:", true);
        check("user:42:*", "user:421:films", false);
        check("*", "", true);
        check("user", "user", true);
        check("user", "users", false);
        check("a*b*c", "abc", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("a*a", "a", false);
        check("a**a", "aa", true);
        check("*:films", "user:42:films", true);
        check("u?er:*", "user:42", false);
        check("[u]:*", "[u]:1", true);
    }

    #[test]
    fn a_glob_means_the_same() {
        assert_eq!(Pattern::new(r"a?[b]\c*").glob(), br"a\?\[b\]\\c*");
    }
}
