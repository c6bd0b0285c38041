//! Whether values come back as they were stored. The first value of each type that a function stores is read back, and
//! the first one after a value that could not be read; in debug builds every one.
//!
//! A type that does not come back in the compact spelling is tried in the readable one, and keeps to it. A value that does
//! not come back at all is not stored: it would never be a hit.

use std::{
    any::TypeId,
    sync::{PoisonError, RwLock},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Seal, Sealed, Unstorable, Wire, decode,
    envelope::Body,
    messagepack, seal_as,
    tree::{self, Difference},
};

/// Proofs of the types that one function stores: one, or as many as a generic function was called with.
#[derive(Debug)]
pub(crate) struct Proofs(RwLock<Vec<(TypeId, Proof)>>);

#[derive(Clone, Copy, Debug, Default)]
struct Proof {
    wire: Wire,
    is_proven: bool,
}

impl Proofs {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// Encodes a value with its header, in the spelling that comes back. Says what differs where none does.
    pub(crate) fn seal<V>(
        &self,
        seal: &Seal<'_, V>,
        same: Option<fn(&V, &V) -> bool>,
        max_size: usize,
    ) -> Result<(Sealed, Option<Difference>), Unstorable>
    where
        V: Serialize + DeserializeOwned + 'static,
    {
        let proof = self.of::<V>();
        let sealed = seal_as(seal, proof.wire, max_size)?;
        let Some(value) = seal.value.filter(|_| !proof.is_proven || cfg!(debug_assertions)) else {
            return Ok((sealed, None));
        };
        let found = read_back(value, same, &sealed.body);
        if matches!(found, Ok(None)) {
            self.put::<V>(Proof { is_proven: true, ..proof });
            return Ok((sealed, None));
        }
        let wire = proof.wire.other();
        if let Ok(other) = seal_as(seal, wire, max_size)
            && matches!(read_back(value, same, &other.body), Ok(None))
        {
            self.put::<V>(Proof { wire, is_proven: true });
            return Ok((other, None));
        }
        let difference = found.map_err(|error| Unstorable::Unreadable(error.to_string()))?;
        // It is said once, and stays as it is.
        self.put::<V>(Proof { is_proven: true, ..proof });
        Ok((sealed, difference))
    }

    /// A value of this type could not be read.
    pub(crate) fn doubt<V: 'static>(&self) {
        let proof = self.of::<V>();
        if proof.is_proven {
            self.put::<V>(Proof { is_proven: false, ..proof });
        }
    }

    fn of<V: 'static>(&self) -> Proof {
        let proofs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = proofs.iter().find(|(of, _)| *of == TypeId::of::<V>());
        known.map(|(_, proof)| *proof).unwrap_or_default()
    }

    #[cold]
    fn put<V: 'static>(&self, proof: Proof) {
        let mut proofs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of = TypeId::of::<V>();
        match proofs.iter_mut().find(|(known, _)| *known == of) {
            Some((_, known)) => *known = proof,
            None => proofs.push((of, proof)),
        }
    }
}

/// The difference after reading it; not in the order of a set or a map, which may change at any time.
fn read_back<V>(
    value: &V,
    same: Option<fn(&V, &V) -> bool>,
    body: &Body,
) -> Result<Option<Difference>, rmp_serde::decode::Error>
where
    V: Serialize + DeserializeOwned,
{
    let found: V = decode(body)?;
    let mut again = Vec::with_capacity(body.payload().len());
    let is_written = messagepack::encode(&found, body.header().wire, &mut again).is_ok();
    if is_written
        && again != body.payload()
        && let Some(difference) = tree::difference(body.payload(), &again)
    {
        return Ok(Some(difference));
    }
    // A value that is not the same as itself, as NaN, says nothing.
    let differs = same.is_some_and(|same| same(value, value) && !same(value, &found));
    Ok(differs.then_some(Difference::Unwritten))
}

#[cfg(test)]
mod tests;
