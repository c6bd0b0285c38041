//! MessagePack with field names: a struct that has gained, lost or swapped fields since is decoded right or not at all.

use serde::{Serialize, de::DeserializeOwned};

/// How `None` is encoded.
pub(super) const NIL: [u8; 1] = [0xc0];

/// Values nested deeper are not decoded: each level takes up stack, and a foreign payload may claim thousands of them.
const DEEPEST: usize = 256;

pub(super) fn encode<V: Serialize>(value: &V, bytes: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
    value.serialize(&mut rmp_serde::Serializer::new(bytes).with_struct_map())
}

/// From the slice itself: a reader would copy every field name on its way.
pub(super) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Option<V> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(DEEPEST);
    V::deserialize(&mut deserializer).ok()
}
