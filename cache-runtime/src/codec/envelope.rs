//! The bytes of an entry: the one place that knows them, beside `redis/scripts/entry.lua`.
//!
//! ```text
//! at  bytes
//!  0   1    0xC1: the one byte that MessagePack never uses; version of this format
//!  1   1    kind: 0x11 lease, 0x22 value, 0x44 fence
//!  2   8    created, by the server's clock        } twice, so that a damaged one is noticed
//! 10   8    created                               }
//! lease and value:
//! 18  16    token of the lease, zeros where there is none
//! 34   8    deadline of the lease
//! value only: the body, made by the client; the scripts read `id` and the two durations
//! 42   4    CRC-32 of all that follows
//! 46   1    codec: 1 MessagePack with field names, 2 the same in its human-readable spelling
//! 47   1    flags: 1 negative entry
//! 48   8    fingerprint of the type's name
//! 56  16    id: the token that stored it
//! 72   8    fresh for so long after created
//! 80   8    kept for so long after created
//! 88   4    how long the load took
//! 92   2    number of tag versions, then each in 16 bytes, then the payload
//! fence only:
//! 18   1    shared
//! 19  24    for each writer: token, deadline
//! ```
//! The version of a tag is a string of its own: when it was created (8 bytes), then 16 bytes.
//!
//! Numbers are big-endian, times and durations milliseconds; one of 2^53 or more is damage. A reader that meets another
//! first byte (another version, another program) sees a miss.

use bytes::{Buf as _, Bytes};

use super::Wire;
use crate::domain::{
    entry::{Entry, Lease, Lifetime, Millis, Token, Value},
    verdict::Fingerprint,
};

const FORMAT: u8 = 0xC1;
const LEASE: u8 = 0x11;
const VALUE: u8 = 0x22;
const FENCE: u8 = 0x44;
const BODY: usize = 42;
/// From the start of the body.
const CRC: usize = 4;
const PAYLOAD: usize = 52;
const MESSAGEPACK: u8 = 1;
const MESSAGEPACK_READABLE: u8 = 2;
const NEGATIVE: u8 = 1;
/// Lua has no exact numbers from here on, and no clock shows such a time.
const TOO_LARGE: Millis = 1 << 53;

/// The bytes of a value from its checksum on, and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    header: Header,
    bytes: Bytes,
}

/// What the header of a value says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) wire: Wire,
    pub(crate) negative: bool,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) id: Token,
    pub(crate) lifetime: Lifetime,
    pub(crate) load: Millis,
    /// How many tag versions follow it.
    pub(crate) tags: u16,
}

/// An entry as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Entry(Entry<Body>),
    /// A value by its header, with a body that fails its checksum or that this version cannot read.
    Damaged(Token),
}

impl Header {
    /// The beginning of a body with the versions of its tags; the payload is appended, then [`Body::close`] seals it.
    pub(crate) fn start(&self, tags: &[Token]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAYLOAD + 16 * tags.len() + 256);
        bytes.extend_from_slice(&[0; CRC]);
        bytes.push(match self.wire {
            Wire::Compact => MESSAGEPACK,
            Wire::Readable => MESSAGEPACK_READABLE,
        });
        bytes.push(if self.negative { NEGATIVE } else { 0 });
        bytes.extend_from_slice(&self.fingerprint.0.to_be_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.lifetime.fresh.to_be_bytes());
        bytes.extend_from_slice(&self.lifetime.total.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.load).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.tags.to_be_bytes());
        for version in tags.iter().take(self.tags.into()) {
            bytes.extend_from_slice(&version.0);
        }
        bytes
    }

    /// `None` where the checksum fails or where this version does not know what the bytes say.
    fn read(body: &[u8]) -> Option<Self> {
        let crc = u32::from_be_bytes(array(body, 0)?);
        let tags = u16::from_be_bytes(array(body, 50)?);
        let wire = match *body.get(4)? {
            MESSAGEPACK => Wire::Compact,
            MESSAGEPACK_READABLE => Wire::Readable,
            _ => return None,
        };
        if body.len() < PAYLOAD + 16 * usize::from(tags) || crc != crc32fast::hash(body.get(CRC..)?) {
            return None;
        }
        Some(Self {
            wire,
            negative: body.get(5)? & NEGATIVE != 0,
            fingerprint: Fingerprint(u64::from_be_bytes(array(body, 6)?)),
            id: Token(array(body, 14)?),
            lifetime: Lifetime {
                fresh: Millis::from_be_bytes(array(body, 30)?),
                total: Millis::from_be_bytes(array(body, 38)?),
            },
            load: u32::from_be_bytes(array(body, 46)?).into(),
            tags,
        })
    }
}

impl Body {
    /// Seals a body that [`Header::start`] began.
    pub(crate) fn close(header: Header, mut bytes: Vec<u8>) -> Self {
        let crc = crc32fast::hash(&bytes[CRC..]);
        bytes[..CRC].copy_from_slice(&crc.to_be_bytes());
        Self { header, bytes: Bytes::from(bytes) }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The versions of its tags when its load began.
    pub(crate) fn tags(&self) -> impl ExactSizeIterator<Item = Token> {
        let versions = self.bytes.get(PAYLOAD..self.after_tags()).unwrap_or_default();
        versions.as_chunks::<16>().0.iter().map(|version| Token(*version))
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(self.after_tags()..).unwrap_or_default()
    }

    fn after_tags(&self) -> usize {
        PAYLOAD + 16 * usize::from(self.header.tags)
    }
}

/// Reads the version of a tag. One from before the server's present start is none (rule 11): a snapshot brings back what had
/// been invalidated.
pub(crate) fn tag_version(bytes: &[u8], server_start: Millis) -> Option<Token> {
    let created = Millis::from_be_bytes(array(bytes, 0)?);
    (bytes.len() == 24 && created >= server_start).then(|| array(bytes, 8).map(Token))?
}

/// Reads what `GET` returned. Bytes that are not ours are a missing entry, as they are to the scripts.
pub(crate) fn parse(bytes: Vec<u8>) -> Parsed {
    read(bytes).unwrap_or(Parsed::Entry(Entry::Missing))
}

fn read(bytes: Vec<u8>) -> Option<Parsed> {
    let created = Millis::from_be_bytes(array(&bytes, 2)?);
    let again = Millis::from_be_bytes(array(&bytes, 10)?);
    if bytes[0] != FORMAT || created != again || created >= TOO_LARGE {
        return None;
    }
    let entry = match bytes[1] {
        LEASE if bytes.len() == BODY => Entry::Lease { created, lease: lease(&bytes)? },
        VALUE if bytes.len() >= BODY + PAYLOAD => return Some(value(bytes, created)),
        FENCE => {
            let shared = *bytes.get(18)? != 0;
            let (writers, rest) = bytes.get(19..)?.as_chunks::<24>();
            if !rest.is_empty() {
                return None;
            }
            let writers = writers.iter().map(|writer| at(writer, 0)).collect::<Option<_>>()?;
            Entry::Fence { created, writers, shared }
        }
        _ => return None,
    };
    Some(Parsed::Entry(entry))
}

fn value(bytes: Vec<u8>, created: Millis) -> Parsed {
    let lease = lease(&bytes).filter(|lease| lease.token != Token::NONE);
    let seen = Token(array(&bytes, BODY + 14).unwrap_or_default());
    let mut bytes = Bytes::from(bytes);
    bytes.advance(BODY);
    let Some(header) = Header::read(&bytes) else { return Parsed::Damaged(seen) };
    let value = Value {
        id: header.id,
        created,
        fresh_until: created.saturating_add(header.lifetime.fresh),
        until: created.saturating_add(header.lifetime.total),
        body: Body { header, bytes },
    };
    Parsed::Entry(Entry::Value { value, lease })
}

fn lease(bytes: &[u8]) -> Option<Lease> {
    at(bytes, 18)
}

fn at(bytes: &[u8], start: usize) -> Option<Lease> {
    let token = Token(array(bytes, start)?);
    let until = Millis::from_be_bytes(array(bytes, start + 16)?);
    // Long past, as it is to the scripts.
    Some(Lease { token, until: if until < TOO_LARGE { until } else { 0 } })
}

fn array<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    bytes.get(start..start + N)?.try_into().ok()
}
