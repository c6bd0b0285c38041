//! An encoded value without its type: to say where two of them differ.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{Wire, messagepack};

/// Part of a value that has come back as another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The path of a field, such as `profile.name`; empty where it is the value itself.
    At(String),
    /// Something that is not written, so that it has no name here.
    Unwritten,
}

/// Lists and maps are sorted: the order of a set or of a map is another one each time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tree {
    Nil,
    Bool(bool),
    Integer(i128),
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

/// Where two payloads differ; `None` where they do not, or hold what is not known here.
pub(super) fn difference(first: &[u8], second: &[u8]) -> Option<Difference> {
    let tree = |bytes| messagepack::decode::<Tree>(bytes, Wire::Compact).ok();
    let mut path = Vec::new();
    tree(first)?.differs(&tree(second)?, &mut path).then(|| Difference::At(path.join(".")))
}

impl Tree {
    /// Puts the names on the way to the first difference onto the path.
    fn differs(&self, other: &Self, path: &mut Vec<String>) -> bool {
        if self == other {
            return false;
        }
        match (self, other) {
            (Self::Map(fields), Self::Map(others)) => {
                let has = |(name, value): &&(Self, Self), fields: &[(Self, Self)]| {
                    fields.iter().any(|(other, found)| other == name && found == value)
                };
                let one = fields.iter().find(|field| !has(field, others));
                let Some((name, value)) = one.or_else(|| others.iter().find(|field| !has(field, fields)))
                else {
                    return true;
                };
                path.push(name.to_string());
                if let Some((_, other)) = others.iter().find(|(other, _)| other == name) {
                    value.differs(other, path);
                }
            }
            (Self::List(items), Self::List(others)) => {
                let one = items.iter().find(|item| !others.contains(item));
                let other = others.iter().find(|other| !items.contains(other));
                if let (Some(one), Some(other)) = (one, other) {
                    one.differs(other, path);
                }
            }
            _ => {}
        }
        true
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::At(path) if path.is_empty() => "the whole value",
            Self::At(path) => path,
            Self::Unwritten => "one that is not written, as with `#[serde(skip)]`, or `Some(None)`",
        })
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Nil | Self::Bool(_) | Self::Float(_) | Self::Bytes(_) | Self::List(_) | Self::Map(_) => {
                f.write_str("*")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Bytes(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        items.sort_unstable();
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        fields.sort_unstable();
        Ok(Tree::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use serde::Serialize;

    use super::*;

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        messagepack::encode(value, Wire::Compact, &mut bytes).expect("encoded");
        bytes
    }

    #[derive(Serialize)]
    struct Outer<T> {
        id: u32,
        inner: Vec<T>,
    }

    #[derive(Serialize)]
    struct Inner {
        name: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        age: Option<f32>,
    }

    fn outer(name: &'static str, age: Option<f32>) -> Vec<u8> {
        bytes(&Outer { id: 1, inner: vec![Inner { name: "x", age: None }, Inner { name, age }] })
    }

    #[test]
    fn the_field_that_differs_is_named() {
        let check = |first: &[u8], second: &[u8], path: Option<&str>| {
            let expected = path.map(|path| Difference::At(path.to_owned()));
            assert_eq!(difference(first, second), expected);
            assert_eq!(difference(second, first), expected);
        };
        check(&outer("y", None), &outer("y", None), None);
        check(&outer("y", None), &outer("z", None), Some("inner.name"));
        check(&outer("y", Some(1.5)), &outer("y", None), Some("inner.age"));
        check(&bytes(&1), &bytes(&2), Some(""));
        check(&bytes(&(1, -1)), &bytes(&(1, true)), Some(""));
        check(&bytes(&HashMap::from([(7, 1)])), &bytes(&HashMap::from([(7, 2)])), Some("7"));
    }

    #[test]
    fn the_order_of_sets_and_maps_is_no_difference() {
        for _ in 0..20 {
            let set = || (0..50).collect::<HashSet<_>>();
            let map = || (0..50).map(|number| (format!("{number}"), set())).collect::<HashMap<_, _>>();
            assert_eq!(difference(&bytes(&map()), &bytes(&map())), None);
        }
    }
}
