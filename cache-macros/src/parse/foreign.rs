//! Placeholders as other languages write them: `{id}`, `{}`, `${id}`, `$id`, `:id`, `%s`, `#{id}`.

use std::ops::Range;

use super::template::{Template, is_escape};

/// A placeholder that is none.
pub(crate) struct Foreign {
    pub(crate) at: Range<usize>,
    /// What it names; `None` where it goes by its position.
    pub(crate) name: Option<String>,
}

/// Whether `:name` is a placeholder, and not text; the flag: whether the colon cannot be a separator.
pub(crate) type IsMeant<'a> = &'a dyn Fn(&str, bool) -> bool;

/// All of them, in order.
pub(crate) fn scan(characters: &[char], template: &Template, is_meant: IsMeant<'_>) -> Vec<Foreign> {
    let mut found = Vec::new();
    let mut at = 0;
    let own = |at: usize| template.placeholders().find(|placeholder| placeholder.at.contains(&at));
    while at < characters.len() {
        if let Some(placeholder) = own(at) {
            at = placeholder.at.end;
            continue;
        }
        let foreign = match characters[at] {
            '{' => braced(characters, at, at, template),
            '$' | '#' | '%' if characters.get(at + 1) == Some(&'{') => {
                braced(characters, at, at + 1, template)
            }
            '$' => word(characters, at + 1).map(|end| {
                let name: String = characters[at + 1..end].iter().collect();
                Foreign { at: at..end, name: (!name.starts_with(char::is_numeric)).then_some(name) }
            }),
            '%' => printf(characters, at),
            ':' => colon(characters, at, is_meant),
            _ => None,
        };
        at = foreign.as_ref().map_or(at + 1, |foreign| foreign.at.end);
        found.extend(foreign);
    }
    found
}

/// `{id}`, `{}`, `{id:?}`, `{{id}}`; not `{user:<id>}`, which is the hash tag of a cluster.
fn braced(characters: &[char], start: usize, open: usize, template: &Template) -> Option<Foreign> {
    let mut close = open + characters[open..].iter().position(|character| *character == '}')?;
    let mut inside = open + 1..close;
    if characters.get(open + 1) == Some(&'{') && characters.get(close + 1) == Some(&'}') {
        inside.start += 1;
        close += 1;
    }
    if template.placeholders().any(|placeholder| (open..close).contains(&placeholder.at.start)) {
        return None;
    }
    let text: String = characters[inside].iter().collect();
    let name = text.split(':').next().unwrap_or_default().trim();
    Some(Foreign { at: start..close + 1, name: is_path(name).then(|| name.to_owned()) })
}

/// `%s`, `%1$s`, `%(id)s`; not `%3A`, `%n` and the like, which escaping makes.
fn printf(characters: &[char], at: usize) -> Option<Foreign> {
    let rest: String = characters[at + 1..].iter().collect();
    if let Some((name, _)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        let end = at + 3 + name.chars().count();
        return Some(Foreign { at: at..(end + 1).min(characters.len()), name: Some(name.to_owned()) });
    }
    if is_escape(&characters[at + 1..]) {
        return None;
    }
    let flags = rest.find(|character: char| !character.is_ascii_digit() && !"$-+.#".contains(character))?;
    let letter = rest[flags..].starts_with(|character: char| character.is_ascii_alphabetic());
    letter.then_some(Foreign { at: at..at + flags + 2, name: None })
}

/// `:id` at the end of a segment. Behind `/`, `:` and nothing the colon is no separator.
fn colon(characters: &[char], at: usize, is_meant: IsMeant<'_>) -> Option<Foreign> {
    let end = word(characters, at + 1)?;
    let name: String = characters[at + 1..end].iter().collect();
    let ends = characters.get(end).is_none_or(|behind| matches!(behind, ':' | '/' | '*' | '}'));
    let is_sigil = at == 0 || matches!(characters[at - 1], ':' | '/');
    (ends && is_meant(&name, is_sigil)).then_some(Foreign { at: at..end, name: Some(name) })
}

/// The end of the name or number that begins here.
fn word(characters: &[char], start: usize) -> Option<usize> {
    let is_word = |character: &char| character.is_alphanumeric() || *character == '_';
    let length = characters[start..].iter().take_while(|character| is_word(character)).count();
    (length > 0).then_some(start + length)
}

/// `id`, `user.id`
fn is_path(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_numeric())
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '_' | '.' | '(' | ')'))
}
