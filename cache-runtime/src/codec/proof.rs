//! Whether values come back as they were stored. The first value of each type that a function stores is read back, and
//! the first one after a value that could not be read; in debug builds every one.
//!
//! A type that does not come back in the compact spelling is tried in the readable one, and keeps to it. What does not come
//! back at all is not stored: it would never be a hit.

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

/// What is known of the types that one function stores: one, or as many as a generic function was called with.
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
        max_size: usize,
    ) -> Result<(Sealed, Option<Difference>), Unstorable>
    where
        V: Serialize + DeserializeOwned + 'static,
    {
        let proof = self.of::<V>();
        let sealed = seal_as(seal, proof.wire, max_size)?;
        if seal.value.is_none() || (proof.is_proven && !cfg!(debug_assertions)) {
            return Ok((sealed, None));
        }
        let found = read_back::<V>(&sealed.body);
        if matches!(found, Ok(None)) {
            self.put::<V>(Proof { is_proven: true, ..proof });
            return Ok((sealed, None));
        }
        let wire = proof.wire.other();
        if let Ok(other) = seal_as(seal, wire, max_size)
            && matches!(read_back::<V>(&other.body), Ok(None))
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

/// What is different after reading it: not the order of what is in a set or a map, which may change at any time.
fn read_back<V>(body: &Body) -> Result<Option<Difference>, rmp_serde::decode::Error>
where
    V: Serialize + DeserializeOwned,
{
    let value: V = decode(body)?;
    let mut again = Vec::with_capacity(body.payload().len());
    let wire = body.header().wire;
    if messagepack::encode(&value, wire, &mut again).is_err() || again == body.payload() {
        return Ok(None);
    }
    Ok(tree::difference(body.payload(), &again))
}

#[cfg(test)]
mod tests;
