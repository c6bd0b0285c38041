//! The `impl` or `trait` around the function, read from its file: an attribute sees nothing but its own item.
//!
//! Only messages come from here. Where the file cannot be read, or a macro wrote the `impl`, the surroundings are
//! unknown, and the expansion lets the compiler look instead.

use proc_macro2::Span;
use syn::{Generics, ImplItem, ItemImpl, ItemTrait, Type, Visibility};

/// Where a function stands.
#[derive(Clone, Default)]
pub(crate) enum Surroundings {
    #[default]
    Unknown,
    /// A module, or the body of another function.
    Module,
    /// `impl<E> Repository<E>`, `impl<E> Find for Repository<E>`
    Impl { generics: Generics, of: Box<Type>, of_trait: bool, methods: Vec<Method> },
    /// `trait Find<E>`
    Trait { generics: Generics },
}

/// A function of an `impl`.
#[derive(Clone)]
pub(crate) struct Method {
    name: String,
    pub(crate) has_self: bool,
    /// Whether a visibility is written.
    pub(crate) visible: bool,
    pub(crate) cached: bool,
}

impl Surroundings {
    /// Those of the function whose name has this span.
    pub(crate) fn of(name: &str, span: Span) -> Self {
        if !proc_macro::is_available() {
            return Self::Unknown;
        }
        let span = span.unwrap();
        let text = span.local_file().and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| Self::at(&text, name, span.line())).unwrap_or_default()
    }

    /// Those of the function `name` on this line of a file.
    fn at(text: &str, name: &str, line: usize) -> Option<Self> {
        let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
        let end = start + text.get(start..)?.find('\n').unwrap_or(text.len() - start);
        let place = start + function(text.get(start..end)?, name)?;
        let Some((header, open)) = enclosing(text, place) else { return Some(Self::Module) };
        let item = format!("{header}{{}}");
        if let Ok(ItemImpl { generics, self_ty, trait_, .. }) = syn::parse_str(&item) {
            let methods = methods(&text[open - header.len()..close(text, open)]);
            return Some(Self::Impl { generics, of: self_ty, of_trait: trait_.is_some(), methods });
        }
        if let Ok(ItemTrait { generics, .. }) = syn::parse_str(&item) {
            return Some(Self::Trait { generics });
        }
        let is_words = |word: &str| header.split_whitespace().any(|found| found == word);
        (is_words("fn") || is_words("mod")).then_some(Self::Module)
    }

    /// The type and const parameters of the `impl` or `trait`.
    pub(crate) fn generics(&self) -> Option<&Generics> {
        match self {
            Self::Impl { generics, .. } | Self::Trait { generics } => Some(generics),
            Self::Unknown | Self::Module => None,
        }
    }

    /// Whether no item but functions can stand beside the function.
    pub(crate) fn is_impl(&self) -> bool {
        self.generics().is_some()
    }

    /// The function of this name in the same `impl`.
    pub(crate) fn method(&self, name: &str) -> Option<&Method> {
        match self {
            Self::Impl { methods, .. } => methods.iter().find(|method| method.name == name),
            Self::Unknown | Self::Module | Self::Trait { .. } => None,
        }
    }
}

/// The place of `fn name` in a line.
fn function(line: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = line[from..].find("fn ") {
        let place = from + found;
        let rest = line[place + 3..].trim_start();
        let is_name = rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_word));
        if is_name && !line[..place].ends_with(is_word) {
            return Some(place);
        }
        from = place + 3;
    }
    None
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The functions of an `impl`; none where it cannot be read.
fn methods(item: &str) -> Vec<Method> {
    let items = syn::parse_str::<ItemImpl>(item).map(|item| item.items).unwrap_or_default();
    let method = |item: ImplItem| match item {
        ImplItem::Fn(function) => Some(Method {
            name: function.sig.ident.to_string(),
            has_self: function.sig.receiver().is_some(),
            visible: !matches!(function.vis, Visibility::Inherited),
            cached: function
                .attrs
                .iter()
                .any(|attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "cached")),
        }),
        _ => None,
    };
    items.into_iter().filter_map(method).collect()
}

/// The place behind the brace that closes the one at `open`.
fn close(text: &str, open: usize) -> usize {
    let (mut depth, mut at) = (0, open);
    while let Some(character) = text[at..].chars().next() {
        match skipped(&text[at..]) {
            Some(length) => at += length,
            None => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                at += character.len_utf8();
                if depth == 0 {
                    break;
                }
            }
        }
    }
    at
}

/// The text in front of the innermost brace that is open at `place`, and the place of the brace. `None`: no brace is.
fn enclosing(text: &str, place: usize) -> Option<(&str, usize)> {
    let mut headers = Vec::new();
    // `[u8; 4]` ends no item.
    let (mut header, mut at, mut brackets) = (0, 0, 0_usize);
    while at < place {
        let rest = &text[at..];
        if let Some(length) = skipped(rest) {
            at += length;
            continue;
        }
        let character = rest.chars().next()?;
        match character {
            '{' => headers.push((&text[header..at], at)),
            '}' => drop(headers.pop()),
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        at += character.len_utf8();
        if matches!(character, '{' | '}') || character == ';' && brackets == 0 {
            header = at;
        }
    }
    headers.pop()
}

/// The length of a comment, a string or a character, whose braces do not count.
fn skipped(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes {
        [b'/', b'/', ..] => Some(text.find('\n').unwrap_or(text.len())),
        [b'/', b'*', ..] => Some(comment(text)),
        [b'"', ..] => Some(quoted(bytes, b'"')),
        [b'r', b'"' | b'#', ..] => raw(text),
        [b'\'', b'\\', ..] => Some(quoted(bytes, b'\'')),
        // `'a` is a lifetime, `'a'` a character.
        [b'\'', ..] => {
            let mut characters = text.char_indices().skip(2);
            characters.next().filter(|(_, second)| *second == '\'').map(|(at, _)| at + 1)
        }
        [first, ..] if is_word(char::from(*first)) => {
            // The `r` in `for"` begins no string.
            Some(text.find(|character| !is_word(character)).unwrap_or(text.len()))
        }
        _ => None,
    }
}

/// The length of `/* .. */`, which nests.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The length of `r"..."` or `r#"..."#`; `r#type` is no string.
fn raw(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    let inside = text.get(1 + hashes..)?.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&close).map_or(inside.len(), |end| end + close.len());
    Some(2 + hashes + length)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens as _;

    use super::*;

    const FILE: &str = r##"
//! A file { with every trap }.
use std::fmt;
/* { /* { */ */
const OPEN: (&str, &str, char, char) = ("{\"", r#"{"{"#, '{', '\'');
pub async fn alone(id: u64) {}
/// Doc { text.
#[derive(Clone)]
pub struct Repository<'a, E>(&'a E);
#[allow(dead_code)]
impl<'a, E: Clone> Repository<'a, E>
where
    E: Send,
{
    fn other() -> &'static str { "}" }
    #[cached(ttl = "5m", key = "rows:<E>")]
    pub async fn rows(&self, id: u64) -> u64 { match 'x' { '}' => 1, _ => 2 } }
    async fn rows_of(&self) {}
}
trait Find<K> {
    async fn find(&self) { async fn inner() {} }
}
mod deep {
    unsafe impl<const N: usize> Find<[u8; N]> for Array<N> { async fn second(&self) {} }
}
build! { $name => { async fn made(&self) {} } }
"##;

    fn check(name: &str, expected: &str) {
        let line = FILE.lines().position(|line| function(line, name).is_some()).expect("a function") + 1;
        let found = match Surroundings::at(FILE, name, line).unwrap_or_default() {
            Surroundings::Unknown => "unknown".to_owned(),
            Surroundings::Module => "module".to_owned(),
            Surroundings::Impl { generics, of, methods, .. } => {
                assert!(methods.iter().any(|method| method.name == name));
                format!("impl {} for {}", generics.params.to_token_stream(), of.to_token_stream())
            }
            Surroundings::Trait { generics } => format!("trait {}", generics.params.to_token_stream()),
        };
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn a_function_stands_in_what_its_file_says() {
        check("alone", "module");
        check("rows", "impl 'a , E : Clone for Repository < 'a , E >");
        check("rows_of", "impl 'a , E : Clone for Repository < 'a , E >");
        check("find", "trait K");
        check("inner", "module");
        check("second", "impl const N : usize for Array < N >");
        check("made", "unknown");
    }

    #[test]
    fn the_methods_beside_it_are_known() {
        let line = FILE.lines().position(|line| line.contains("fn rows(")).expect("a function") + 1;
        let around = Surroundings::at(FILE, "rows", line).expect("an impl");
        let seen =
            |name: &str| around.method(name).map(|method| (method.has_self, method.visible, method.cached));
        assert_eq!(seen("rows"), Some((true, true, true)));
        assert_eq!(seen("rows_of"), Some((true, false, false)));
        assert_eq!(seen("other"), Some((false, false, false)));
        assert_eq!(seen("alone"), None);
    }

    #[test]
    fn a_line_without_the_function_says_nothing() {
        assert!(Surroundings::at(FILE, "alone", 1).is_none());
        assert!(Surroundings::at(FILE, "alone", 999).is_none());
        assert!(Surroundings::at("", "alone", 0).is_none());
    }
}
