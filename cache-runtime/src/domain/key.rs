//! Keys: how arguments become the text of a key, so that different arguments never share one.
//!
//! A template such as `user:<id>` is compiled to calls of a [`KeyWriter`]: literals as they are, arguments
//! through [`KeyPart`], which escapes everything that means something to a template (`:`), a Redis glob, a
//! cluster hash tag or the wire protocol. `None`, long parts and hashes use markers (`%n`, `%s`, `%h`) that
//! escaping cannot produce, because there `%` is always followed by two hexadecimal digits.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::BuildHasher as _,
    rc::Rc,
    sync::{Arc, LazyLock},
};

use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

/// The text that one argument adds to a key may have this many bytes; longer ones are replaced by their SHA-256.
const LONGEST_PART: usize = 128;

/// The exact key of an entry in Redis, namespace and version included.
///
/// Its text is [`Display`](fmt::Display)ed; it is ASCII where the arguments are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(SmallVec<[u8; 64]>);

impl Key {
    /// The bytes as Redis sees them.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A key whose text is taken as it is.
    pub(crate) fn raw(text: &str) -> Self {
        Self(SmallVec::from_slice(text.as_bytes()))
    }

    /// The key of a tag's version.
    pub(crate) fn tag(prefix: &str, name: &str) -> Self {
        let mut key = KeyWriter::tag(prefix);
        key.literal(name);
        key.finish()
    }

    /// What [`Key::tag`] was made of, if this is one of that namespace.
    pub(crate) fn tag_name<'a>(key: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
        key.strip_prefix(prefix.as_bytes())?.strip_prefix(TAG.as_bytes())
    }
}

/// Between the namespace and the name of a tag. No entry's key has it: there `%` is followed by two digits, or by another
/// letter.
const TAG: &str = "%t:";

/// Keys are found by their bytes.
impl std::borrow::Borrow<[u8]> for Key {
    #[inline]
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// An argument type that can tell cache entries apart.
///
/// Implemented for integers, `bool`, `char`, strings, `Option`, references, smart pointers, slices, ordered sets and maps,
/// and tuples of those, and with the features `uuid`, `chrono` and `time` for their types. Your own types take
/// `#[derive(KeyPart)]`, which writes their fields.
///
/// Not implemented for floats: `0.0 == -0.0` and `NaN != NaN`, so a float has no single text. Not for `HashMap` and
/// `HashSet` either, whose order differs between equal ones: take a `BTreeMap` or a `BTreeSet`.
///
/// Written by hand, an implementation must write different texts for values that differ, and only through the
/// methods of [`KeyWriter`], which escape:
///
/// ```
/// use cache_runtime::{KeyPart, KeyWriter};
///
/// struct Locale { language: String, region: String }
///
/// impl KeyPart for Locale {
///     fn write_part(&self, key: &mut KeyWriter) {
///         key.element(&self.language);
///         key.element(&self.region);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "not a `KeyPart`",
    note = "help: pass an integer, a string, or a type with `#[derive(cache_runtime::KeyPart)]`; floats have no exact equality: round them to an integer first",
    note = "the types of `uuid`, `chrono` and `time` need the feature of that name: `cache-runtime = {{ version = \"..\", features = [\"uuid\"] }}`",
    note = "a type of your own can write itself: `impl cache_runtime::KeyPart for YourType {{ fn write_part(&self, key: &mut cache_runtime::KeyWriter) {{ key.text(&self.to_string()) }} }}`"
)]
pub trait KeyPart {
    /// Writes the text of `self`.
    fn write_part(&self, key: &mut KeyWriter);
}

/// Where the parts of a key are written, escaped. Made by the attribute; seen by hand-written [`KeyPart`]s.
#[derive(Debug)]
pub struct KeyWriter {
    text: Text,
    /// A byte that separates this part from the next one in the template, escaped in addition; 0 if `:` does.
    stop: u8,
    /// Where this part began.
    start: usize,
    /// Inside a part that is made of several: there `,` separates and is escaped in addition.
    nested: bool,
    /// Of the arguments. Of the text it would take longer: what was written a moment ago cannot be read in words.
    hash: u64,
}

/// Text that grows: on the stack as long as it is short. A `SmallVec` is moved in pieces where it is made, and to read in
/// words what was written in bytes a moment ago takes as long as a look-up.
#[derive(Debug)]
struct Text {
    short: [u8; SHORT],
    length: usize,
    /// All of it, where it is not short.
    long: Vec<u8>,
}

const SHORT: usize = 64;

impl Default for Text {
    #[inline]
    fn default() -> Self {
        Self { short: [0; SHORT], length: 0, long: Vec::new() }
    }
}

impl Text {
    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        match self.short.get_mut(self.length..self.length + bytes.len()) {
            Some(free) if self.long.is_empty() => {
                free.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => self.extend_long(bytes),
        }
    }

    #[cold]
    fn extend_long(&mut self, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long.reserve(2 * SHORT + bytes.len());
            self.long.extend_from_slice(&self.short[..self.length]);
        }
        self.long.extend_from_slice(bytes);
    }

    /// Replaces all from a place on.
    fn replace(&mut self, from: usize, bytes: &[u8]) {
        if self.long.is_empty() {
            self.length = from;
        } else {
            self.long.truncate(from);
            if from == 0 {
                self.length = 0;
            }
        }
        self.extend(bytes);
    }
}

impl std::ops::Deref for Text {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if self.long.is_empty() { &self.short[..self.length] } else { &self.long }
    }
}

/// Odd, with its bits in disorder.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// One escaped bit per ASCII character: what means something to templates, globs, hash tags, the protocol or us.
const ESCAPED: [bool; 128] = {
    let mut escaped = [false; 128];
    let mut byte = 0;
    while byte < 128 {
        escaped[byte] = byte <= 0x20
            || byte == 0x7f
            || matches!(byte as u8, b'%' | b':' | b'{' | b'}' | b'*' | b'?' | b'[' | b']' | b'\\');
        byte += 1;
    }
    escaped
};

impl KeyWriter {
    /// A writer whose key begins with `prefix` (namespace and version), taken as it is.
    #[inline]
    pub(crate) fn new(prefix: &str) -> Self {
        let mut writer = Self::seeded(0);
        writer.literal(prefix);
        writer
    }

    /// A writer of a tag's key.
    pub(crate) fn tag(prefix: &str) -> Self {
        let mut key = Self::new(prefix);
        key.literal(TAG);
        key
    }

    /// Adds literal text of a template, as it is.
    #[inline]
    pub(crate) fn literal(&mut self, text: &str) {
        self.text.extend(text.as_bytes());
    }

    /// Begins a part. `stop` is the first byte of the literal behind it (0: `:`, or the end of the key).
    #[inline]
    pub(crate) fn open(&mut self, stop: u8) {
        self.stop = stop;
        self.start = self.text.len();
    }

    /// Ends a part.
    #[inline]
    pub(crate) fn close(&mut self) {
        self.stop = 0;
        if self.text.len() - self.start > LONGEST_PART {
            self.shorten(self.start);
        }
    }

    #[inline]
    pub(crate) fn finish(self) -> Key {
        Key(SmallVec::from_slice(&self.text))
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// One without text, whose hash begins with this.
    #[inline]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { text: Text::default(), stop: 0, start: 0, nested: false, hash: seed }
    }

    /// The same for the same arguments of one function; different ones have another, most of the time.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.hash ^ word) * u128::from(MULTIPLIER);
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    /// Writes text, percent-escaped where a character means something else in a key.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.mix(hash_of(text));
        let plain = |byte: u8| byte < 128 && !ESCAPED[byte as usize] && byte != self.stop;
        if !self.nested && text.bytes().all(plain) {
            self.text.extend(text.as_bytes());
        } else {
            self.escape(text);
        }
    }

    /// Writes an integer.
    #[inline]
    pub fn integer(&mut self, integer: impl itoa::Integer) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(integer);
        self.mix(hash_of(digits));
        self.digits(digits);
    }

    /// The same where its bits are known.
    #[inline]
    fn number(&mut self, integer: impl itoa::Integer, bits: u64) {
        self.mix(bits);
        let mut digits = itoa::Buffer::new();
        self.digits(digits.format(integer));
    }

    #[inline]
    fn digits(&mut self, digits: &str) {
        if self.stop == 0 {
            self.text.extend(digits.as_bytes());
        } else {
            self.text(digits);
        }
    }

    /// Writes one of several values that make up a part: a field, an element.
    ///
    /// Each is closed by a comma, and commas inside are escaped, so that `("a", "b,c")` and `("a,b", "c")` differ.
    pub fn element<P: KeyPart + ?Sized>(&mut self, element: &P) {
        let outer = std::mem::replace(&mut self.nested, true);
        element.write_part(self);
        self.nested = outer;
        self.text.extend(b",");
    }

    #[cold]
    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            let escaped = match u8::try_from(character) {
                Ok(byte) if byte < 128 => {
                    ESCAPED[byte as usize] || byte == self.stop || (self.nested && byte == b',')
                }
                _ => character.is_whitespace() || character.is_control(),
            };
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            if !escaped {
                self.text.extend(bytes);
                continue;
            }
            for byte in bytes {
                let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
                self.text.extend(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }

    #[cold]
    fn shorten(&mut self, start: usize) {
        let hash = Sha256::digest(&self.text[start..]);
        self.text.replace(start, b"%h");
        for byte in hash {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            self.text.extend(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// Whether escaping can make this text of an argument: with what a target spells, it may meet entries.
pub(crate) fn is_part(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match (byte, behind) {
            (b'%', [first, second, behind @ ..]) if is_hex(first) && is_hex(second) => behind,
            (b'%', [b'n' | b'h', behind @ ..]) => behind,
            (b'%', [b's', behind @ ..]) if behind.first() == Some(&b'%') => behind,
            _ if byte < 128 && ESCAPED[byte as usize] => return false,
            _ => behind,
        };
    }
    !text.contains(|character: char| character.is_whitespace() || character.is_control())
}

fn hash_of(text: &str) -> u64 {
    static HASHER: LazyLock<foldhash::fast::RandomState> =
        LazyLock::new(foldhash::fast::RandomState::default);
    HASHER.hash_one(text)
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl KeyPart for $integer {
            #[inline]
            fn write_part(&self, key: &mut KeyWriter) {
                key.number(*self, *self as u64);
            }
        }
    )*};
}
integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

impl KeyPart for bool {
    fn write_part(&self, key: &mut KeyWriter) {
        key.text(if *self { "true" } else { "false" });
    }
}

impl KeyPart for char {
    fn write_part(&self, key: &mut KeyWriter) {
        key.text(self.encode_utf8(&mut [0; 4]));
    }
}

impl KeyPart for str {
    #[inline]
    fn write_part(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl KeyPart for String {
    #[inline]
    fn write_part(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<P: KeyPart + ?Sized> KeyPart for $pointer {
            #[inline]
            fn write_part(&self, key: &mut KeyWriter) {
                (**self).write_part(key);
            }
        }
    )*};
}
pointers!(&P, &mut P, Box<P>, Arc<P>, Rc<P>);

impl<P: KeyPart + ToOwned + ?Sized> KeyPart for Cow<'_, P> {
    fn write_part(&self, key: &mut KeyWriter) {
        (**self).write_part(key);
    }
}

/// `None` is `%n`; `Some` adds `%s` only where its value would read like one of the two.
impl<P: KeyPart> KeyPart for Option<P> {
    fn write_part(&self, key: &mut KeyWriter) {
        let Some(part) = self else { return key.literal("%n") };
        let start = key.text.len();
        part.write_part(key);
        if matches!(key.text.get(start..start + 2), Some(b"%n" | b"%s")) {
            let part = key.text[start..].to_vec();
            key.text.replace(start, b"%s");
            key.text.extend(&part);
        }
    }
}

/// The number of elements, then each closed by a comma.
impl<P: KeyPart> KeyPart for [P] {
    fn write_part(&self, key: &mut KeyWriter) {
        key.element(&self.len());
        for element in self {
            key.element(element);
        }
    }
}

impl<P: KeyPart> KeyPart for Vec<P> {
    fn write_part(&self, key: &mut KeyWriter) {
        self.as_slice().write_part(key);
    }
}

impl<P: KeyPart, const N: usize> KeyPart for [P; N] {
    fn write_part(&self, key: &mut KeyWriter) {
        self.as_slice().write_part(key);
    }
}

/// As a slice of its elements, which are in order.
impl<P: KeyPart> KeyPart for BTreeSet<P> {
    fn write_part(&self, key: &mut KeyWriter) {
        key.element(&self.len());
        for element in self {
            key.element(element);
        }
    }
}

/// The number of entries, then each key and each value.
impl<K: KeyPart, V: KeyPart> KeyPart for BTreeMap<K, V> {
    fn write_part(&self, key: &mut KeyWriter) {
        key.element(&self.len());
        for (name, value) in self {
            key.element(name);
            key.element(value);
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident $index:tt),+))*) => {$(
        impl<$($part: KeyPart),+> KeyPart for ($($part,)+) {
            fn write_part(&self, key: &mut KeyWriter) {
                $(key.element(&self.$index);)+
            }
        }
    )*};
}
tuples!((A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3));

#[cfg(any(feature = "uuid", feature = "chrono", feature = "time"))]
macro_rules! displayed {
    ($($displayed:ty),*) => {$(
        impl KeyPart for $displayed {
            fn write_part(&self, key: &mut KeyWriter) {
                key.text(&self.to_string());
            }
        }
    )*};
}
#[cfg(feature = "uuid")]
displayed!(uuid::Uuid);
#[cfg(feature = "chrono")]
displayed!(chrono::NaiveDate, chrono::NaiveTime, chrono::NaiveDateTime, chrono::DateTime<chrono::Utc>);
#[cfg(feature = "time")]
displayed!(time::Date, time::Time, time::PrimitiveDateTime, time::OffsetDateTime);

#[cfg(test)]
mod tests;
