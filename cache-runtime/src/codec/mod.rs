//! Values to bytes and back: `messagepack` for the payload, `envelope` for the header around it; `proof` reads back what is
//! stored, and `tree` finds what differs.

pub(crate) mod envelope;
mod messagepack;
mod proof;
mod tree;

use serde::{Serialize, de::DeserializeOwned};

use self::envelope::{Body, Header};
pub(crate) use self::{messagepack::Wire, proof::Proofs};
use crate::domain::{
    entry::{Lifetime, Millis, Token},
    verdict::Fingerprint,
};

/// A value on its way into an entry, sealed.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) lifetime: Lifetime,
    pub(crate) body: Body,
}

/// What an entry is to hold, with all that its header says about it.
#[derive(Debug)]
pub(crate) struct Seal<'a, V> {
    /// `None`: a negative entry.
    pub(crate) value: Option<&'a V>,
    pub(crate) id: Token,
    pub(crate) lifetime: Lifetime,
    pub(crate) load: Millis,
    pub(crate) fingerprint: Fingerprint,
    /// The versions of its tags.
    pub(crate) tags: &'a [Token],
}

/// Why a value is not stored.
#[derive(Debug)]
pub(crate) enum Unstorable {
    /// Serialising it failed.
    Encode(rmp_serde::encode::Error),
    /// It says that there is no value, as `None` does, and the function does not store that.
    Absent,
    /// Its bytes are more than allowed.
    TooLarge(usize),
    /// It cannot be read back, in the words of serde.
    Unreadable(String),
}

/// Encodes a value with its header, without a proof.
#[cfg(test)]
pub(crate) fn seal<V: Serialize>(seal: &Seal<'_, V>, max_size: usize) -> Result<Sealed, Unstorable> {
    seal_as(seal, Wire::Compact, max_size)
}

fn seal_as<V: Serialize>(seal: &Seal<'_, V>, wire: Wire, max_size: usize) -> Result<Sealed, Unstorable> {
    let header = Header {
        wire,
        negative: seal.value.is_none(),
        fingerprint: seal.fingerprint,
        id: seal.id,
        lifetime: seal.lifetime,
        load: seal.load,
        tags: u16::try_from(seal.tags.len()).unwrap_or(u16::MAX),
    };
    let mut bytes = header.start(seal.tags);
    if let Some(value) = seal.value {
        let start = bytes.len();
        messagepack::encode(value, wire, &mut bytes).map_err(Unstorable::Encode)?;
        if bytes[start..] == messagepack::NIL {
            return Err(Unstorable::Absent);
        }
    }
    if bytes.len() > max_size {
        return Err(Unstorable::TooLarge(bytes.len()));
    }
    Ok(Sealed { lifetime: seal.lifetime, body: Body::close(header, bytes) })
}

/// Decodes the payload of a value. An error where it is not one of type `V`, whatever its bytes are.
pub(crate) fn decode<V: DeserializeOwned>(body: &Body) -> Result<V, rmp_serde::decode::Error> {
    messagepack::decode(body.payload(), body.header().wire)
}

#[cfg(any(test, fuzzing))]
pub(crate) fn open<V: DeserializeOwned>(body: &Body) -> Option<V> {
    decode(body).ok()
}

/// A negative entry, to a caller that wants a `V`: a value only where `V` has one for "none".
pub(crate) fn negative<V: DeserializeOwned>() -> Option<V> {
    messagepack::decode(&messagepack::NIL, Wire::Compact).ok()
}

#[cfg(test)]
pub(crate) mod damage;
#[cfg(test)]
mod tests;
