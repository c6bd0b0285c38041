//! MessagePack with field names: a struct that has gained, lost or swapped fields since is decoded right or not at all.

use serde::{Serialize, de::DeserializeOwned};

/// How `None` is encoded.
pub(super) const NIL: [u8; 1] = [0xc0];

pub(super) fn encode<V: Serialize>(value: &V, bytes: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
    value.serialize(&mut rmp_serde::Serializer::new(bytes).with_struct_map())
}

pub(super) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Option<V> {
    let mut rest = bytes;
    let value = V::deserialize(&mut rmp_serde::Deserializer::new(&mut rest)).ok()?;
    // A value of another type can be a prefix of this one.
    rest.is_empty().then_some(value)
}
