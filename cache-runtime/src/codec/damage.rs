//! Bytes that somebody has damaged: for tests of everything that reads an entry.

use proptest::{prelude::*, sample::Index};

/// One change of some bytes.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Flip(Index, u8),
    Overwrite(Index, u8),
    Insert(Index, u8),
    Delete(Index),
    Truncate(Index),
    /// Repeats what is between the two at the end.
    Append(Index, Index),
}

impl Damage {
    /// A few changes, one after another.
    pub(crate) fn some() -> impl Strategy<Value = Vec<Self>> {
        let at = any::<Index>;
        let damage = prop_oneof![
            4 => (at(), 0_u8..8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            2 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Overwrite(at, byte)),
            1 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Insert(at, byte)),
            1 => at().prop_map(Self::Delete),
            1 => at().prop_map(Self::Truncate),
            1 => (at(), at()).prop_map(|(from, to)| Self::Append(from, to)),
        ];
        proptest::collection::vec(damage, 1..5)
    }

    pub(crate) fn all(damages: &[Self], mut bytes: Vec<u8>) -> Vec<u8> {
        for damage in damages {
            if bytes.is_empty() {
                break;
            }
            let length = bytes.len();
            match damage {
                Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
                Self::Overwrite(at, byte) => bytes[at.index(length)] = *byte,
                Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
                Self::Delete(at) => drop(bytes.remove(at.index(length))),
                Self::Truncate(at) => bytes.truncate(at.index(length)),
                Self::Append(from, to) => {
                    let (from, to) = (from.index(length), to.index(length));
                    bytes.extend_from_within(from.min(to)..from.max(to));
                }
            }
        }
        bytes
    }
}
