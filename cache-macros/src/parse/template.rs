//! `"user:<id>"` to literal and placeholder segments.

use std::ops::Range;

use proc_macro2::Span;
use syn::LitStr;

use crate::diag::Diagnostics;

/// A template, taken apart.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) literal: LitStr,
    pub(crate) segments: Vec<Segment>,
}

#[derive(Clone)]
pub(crate) enum Segment {
    /// Text as it is.
    Literal(String),
    Placeholder(Placeholder),
}

/// `<user.id>`, `<id>`, `<user.slug()>`.
#[derive(Clone)]
pub(crate) struct Placeholder {
    /// An argument, `self`, a type parameter, `return`.
    pub(crate) root: String,
    /// What follows: fields, tuple indices, methods.
    pub(crate) path: Vec<Step>,
    /// Its characters in the template, brackets included.
    pub(crate) at: Range<usize>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Index(u32),
    Method(String),
}

impl Template {
    /// `option`: `key`, `tags`, `tag` for one in `invalidates`, or `invalidates` for another target.
    ///
    /// `None` where the text is not a template; then a mistake was recorded.
    pub(crate) fn parse(literal: &LitStr, option: &str, diagnostics: &mut Diagnostics) -> Option<Self> {
        let text = literal.value();
        let template = Self { literal: literal.clone(), segments: Vec::new() };
        let span = literal.span();
        if text.is_empty() {
            let (wrong, help) = match option {
                "key" => ("`key` is empty", "write `key = \"user:<id>\"`"),
                "tags" | "tag" => ("a tag is empty", "write `\"org:<org>\"`"),
                _ => ("a target is empty", "write a key, such as `\"users:leaderboard\"`"),
            };
            diagnostics.error(span, wrong, help);
            return None;
        }
        template.segments(&text, option, diagnostics)
    }

    fn segments(mut self, text: &str, option: &str, diagnostics: &mut Diagnostics) -> Option<Self> {
        let span = self.literal.span();
        let characters: Vec<char> = text.chars().collect();
        let mut literal = String::new();
        let mut at = 0;
        while at < characters.len() {
            match characters[at] {
                bracket @ ('<' | '>') if characters.get(at + 1) == Some(&bracket) => {
                    literal.push(bracket);
                    at += 2;
                }
                '<' => {
                    let close = characters[at..].iter().position(|&character| character == '>');
                    let Some(close) = close.map(|close| at + close) else {
                        let wrong = format!("`<` is never closed{}", self.caret(&(at..at + 1)));
                        diagnostics.error(
                            span,
                            wrong,
                            "close it with `>`, or write `<<` for the character itself",
                        );
                        return None;
                    };
                    if !literal.is_empty() {
                        self.segments.push(Segment::Literal(std::mem::take(&mut literal)));
                    }
                    let inner: String = characters[at + 1..close].iter().collect();
                    match Placeholder::parse(&inner, at..close + 1) {
                        Some(placeholder) => self.segments.push(Segment::Placeholder(placeholder)),
                        None => {
                            let wrong = format!(
                                "`<{inner}>` does not name an argument{}",
                                self.caret(&(at..close + 1))
                            );
                            let help =
                                "write `<id>`, `<user.id>`, `<pair.0>`, `<user.slug()>` or `<self.field>`";
                            diagnostics.error(span, wrong, help);
                            return None;
                        }
                    }
                    at = close + 1;
                }
                '>' => {
                    let wrong = format!("`>` closes nothing{}", self.caret(&(at..at + 1)));
                    diagnostics.error(span, wrong, "remove it, or write `>>` for the character itself");
                    return None;
                }
                character => {
                    let misfit = match option {
                        _ if is_foreign(&characters, at) => None,
                        "key" => (!fits(character)).then_some(("a key", FITTING)),
                        "tags" | "tag" => (!fits(character)).then_some(("a tag", FITTING)),
                        _ => matches!(character, '?' | '[' | ']' | '\\').then_some(("a target", ONLY_STARS)),
                    };
                    if let Some((noun, help)) = misfit {
                        let caret = self.caret(&(at..at + 1));
                        let character = match character {
                            '\\' => character.to_string(),
                            _ => character.escape_debug().to_string(),
                        };
                        diagnostics.error(
                            span,
                            format!("`{character}` cannot be part of {noun}{caret}"),
                            help,
                        );
                        return None;
                    }
                    literal.push(character);
                    at += 1;
                }
            }
        }
        if !literal.is_empty() {
            self.segments.push(Segment::Literal(literal));
        }
        Some(self)
    }

    /// The literal and a line with carets under a part of it: stable Rust cannot point into a string.
    pub(crate) fn caret(&self, at: &Range<usize>) -> String {
        caret(&self.literal, at)
    }

    pub(crate) fn span(&self) -> Span {
        self.literal.span()
    }

    /// Whether it stands for all keys that look like it: there is a `*` in its literal text.
    pub(crate) fn is_pattern(&self) -> bool {
        let star = |segment: &Segment| matches!(segment, Segment::Literal(literal) if literal.contains('*'));
        self.segments.iter().any(star)
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Placeholder(placeholder) => Some(placeholder),
        })
    }
}

const FITTING: &str = "use letters, digits, `:`, `-`, `_`, `.` and `/` between the placeholders";
const ONLY_STARS: &str = "only `*` has a meaning in patterns";

/// Whether a character belongs to a placeholder as other languages write them: that is a mistake of its own.
fn is_foreign(characters: &[char], at: usize) -> bool {
    let behind = &characters[at + 1..];
    if characters[at] == '%' && !is_escape(behind) {
        return behind.first().is_some_and(|next| next.is_alphanumeric() || "({".contains(*next));
    }
    let is_edge = |character: &char| matches!(character, '{' | '}' | '<' | '>');
    characters[..at].iter().rev().find(|character| is_edge(character)) == Some(&'{')
        && behind.iter().find(|character| is_edge(character)) == Some(&'}')
}

/// Whether `%` in front of this is what escaping an argument makes: `%3A`, `%n`, `%h`, `%s%n`.
pub(crate) fn is_escape(behind: &[char]) -> bool {
    match behind {
        [first, second, ..] if [first, second].iter().all(|digit| matches!(digit, '0'..='9' | 'A'..='F')) => {
            true
        }
        ['n' | 'h', ..] | ['s', '%', 'n' | 's', ..] => true,
        _ => false,
    }
}

/// Globs, escapes, white space and control characters mean something to Redis or to us; `{...}` is a hash tag.
fn fits(character: char) -> bool {
    !matches!(character, '%' | '*' | '?' | '[' | ']' | '\\')
        && !character.is_whitespace()
        && !character.is_control()
}

fn caret(literal: &LitStr, at: &Range<usize>) -> String {
    let text = literal.value();
    format!("\n  \"{text}\"\n   {}{}", " ".repeat(at.start), "^".repeat(at.len().max(1)))
}

impl Placeholder {
    fn parse(inner: &str, at: Range<usize>) -> Option<Self> {
        let mut parts = inner.split('.').map(|part| part.strip_prefix("r#").unwrap_or(part));
        let root = parts.next().filter(|root| is_ident(root) || ["self", "Self"].contains(root))?.to_owned();
        let path = parts.map(Step::parse).collect::<Option<Vec<_>>>()?;
        if root == "Self" && !path.is_empty() {
            return None;
        }
        Some(Self { root, path, at })
    }
}

impl Step {
    fn parse(part: &str) -> Option<Self> {
        if let Ok(index) = part.parse() {
            return Some(Self::Index(index));
        }
        match part.strip_suffix("()") {
            Some(method) if is_ident(method) => Some(Self::Method(method.to_owned())),
            None if is_ident(part) => Some(Self::Field(part.to_owned())),
            _ => None,
        }
    }
}

/// A name without `r#`; a keyword is one, too, where a raw identifier can be.
fn is_ident(text: &str) -> bool {
    if ["_", "self", "Self", "super", "crate"].contains(&text) {
        return false;
    }
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[&str], &str>) {
        check_of("key", text, expected);
    }

    fn check_of(option: &str, text: &str, expected: Result<&[&str], &str>) {
        let literal = LitStr::new(text, Span::call_site());
        let mut diagnostics = Diagnostics::default();
        let template = Template::parse(&literal, option, &mut diagnostics);
        let tokens = diagnostics.into_tokens().to_string();
        match (template, expected) {
            (Some(template), Ok(expected)) => {
                let segments: Vec<String> = template
                    .segments
                    .iter()
                    .map(|segment| match segment {
                        Segment::Literal(literal) => literal.clone(),
                        Segment::Placeholder(placeholder) => {
                            format!("<{}+{}>", placeholder.root, placeholder.path.len())
                        }
                    })
                    .collect();
                assert_eq!(segments, expected, "{text}");
            }
            (None, Err(expected)) => assert!(tokens.contains(expected), "{text}: {tokens}"),
            (template, _) => panic!("{text}: {:?} {tokens}", template.is_some()),
        }
    }

    #[test]
    fn templates_are_literals_and_placeholders() {
        check("users:leaderboard", Ok(&["users:leaderboard"]));
        check("user:<id>", Ok(&["user:", "<id+0>"]));
        check("<org.id>:u:<pair.0>:<user.slug()>", Ok(&["<org+1>", ":u:", "<pair+1>", ":", "<user+1>"]));
        check("a<<b>>:<id>", Ok(&["a<b>:", "<id+0>"]));
        check("{user}:<id>", Ok(&["{user}:", "<id+0>"]));
        check("user:<id", Err("never closed"));
        check("user:id>", Err("closes nothing"));
        check("user:<>", Err("does not name an argument"));
        check("user:<_>", Err("does not name an argument"));
        check("user:<user.self>", Err("does not name an argument"));
        check("user:<r#type>", Ok(&["user:", "<type+0>"]));
        check("user:<a+b>", Err("does not name an argument"));
        check("user:<a.b(1)>", Err("does not name an argument"));
        check("user <id>", Err("cannot be part of a key"));
        check("user:*", Err("cannot be part of a key"));
        check("", Err("is empty"));
    }

    #[test]
    fn only_targets_are_patterns() {
        check_of("invalidates", "user:<id>:*", Ok(&["user:", "<id+0>", ":*"]));
        check_of("invalidates", "user:?", Err("only `*`"));
        check_of("tags", "org:<org>", Ok(&["org:", "<org+0>"]));
        check_of("tags", "org:*", Err("cannot be part of a tag"));
        check_of("tag", "all users", Err("cannot be part of a tag"));
        let is_pattern = |text: &str| {
            let literal = LitStr::new(text, Span::call_site());
            let template = Template::parse(&literal, "invalidates", &mut Diagnostics::default());
            template.is_some_and(|template| template.is_pattern())
        };
        assert!(is_pattern("user:<id>:*"));
        assert!(!is_pattern("user:<id>"));
    }
}
