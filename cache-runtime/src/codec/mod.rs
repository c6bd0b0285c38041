//! Values to bytes and back: `messagepack` for the payload, `envelope` for the header around it.

pub(crate) mod envelope;
mod messagepack;

use serde::{Serialize, de::DeserializeOwned};

use self::envelope::{Body, Header};
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
}

/// Encodes a value with its header.
pub(crate) fn seal<V: Serialize>(seal: &Seal<'_, V>, max_size: usize) -> Result<Sealed, Unstorable> {
    let header = Header {
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
        messagepack::encode(value, &mut bytes).map_err(Unstorable::Encode)?;
        if bytes[start..] == messagepack::NIL {
            return Err(Unstorable::Absent);
        }
    }
    if bytes.len() > max_size {
        return Err(Unstorable::TooLarge(bytes.len()));
    }
    Ok(Sealed { lifetime: seal.lifetime, body: Body::close(header, bytes) })
}

/// Decodes the payload of a value. `None` where it is not one of type `V`, whatever its bytes are.
pub(crate) fn open<V: DeserializeOwned>(body: &Body) -> Option<V> {
    messagepack::decode(body.payload())
}

/// What a negative entry is to a caller who wants a `V`: a value only where `V` has one for "none".
pub(crate) fn negative<V: DeserializeOwned>() -> Option<V> {
    messagepack::decode(&messagepack::NIL)
}

#[cfg(test)]
pub(crate) mod damage;
#[cfg(test)]
mod tests;
