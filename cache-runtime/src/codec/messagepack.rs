//! MessagePack with field names: a struct that has gained, lost or swapped fields since is decoded right or not at all.

use rmp_serde::{Deserializer, Serializer, decode, encode};
use serde::{Serialize, de::DeserializeOwned};

/// How `None` is encoded.
pub(super) const NIL: [u8; 1] = [0xc0];

/// Values nested deeper are not decoded: each level takes up stack, and a foreign payload may claim thousands of them.
const DEEPEST: usize = 256;

/// The way in which types are asked to write themselves that have two, as an address has: bytes or text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    /// It is not human-readable: the shorter one.
    #[default]
    Compact,
    /// It is human-readable: the one that also comes back from behind `tag`, `flatten` and `untagged`, where serde does not
    /// know the type yet when it reads.
    Readable,
}

impl Wire {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Compact => Self::Readable,
            Self::Readable => Self::Compact,
        }
    }
}

pub(super) fn encode<V: Serialize>(value: &V, wire: Wire, bytes: &mut Vec<u8>) -> Result<(), encode::Error> {
    let serializer = Serializer::new(bytes).with_struct_map();
    match wire {
        Wire::Compact => value.serialize(&mut { serializer }),
        Wire::Readable => value.serialize(&mut serializer.with_human_readable()),
    }
}

/// From the slice itself: a reader would copy every field name on its way.
pub(super) fn decode<V: DeserializeOwned>(bytes: &[u8], wire: Wire) -> Result<V, decode::Error> {
    let mut deserializer = Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(DEEPEST);
    match wire {
        Wire::Compact => V::deserialize(&mut deserializer),
        Wire::Readable => V::deserialize(&mut deserializer.with_human_readable()),
    }
}
