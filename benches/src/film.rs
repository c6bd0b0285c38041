//! What is cached: a struct of twelve fields whose MessagePack has about 300 bytes.

use serde::{Deserialize, Serialize};

/// A film.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it, and nobody else reads them")]
pub struct Film {
    pub id: u64,
    pub title: String,
    pub director: String,
    pub genre: String,
    pub synopsis: String,
    pub year: u16,
    pub minutes: u32,
    pub rating: f64,
    pub votes: u64,
    pub box_office: Option<u64>,
    pub in_colour: bool,
    pub languages: Vec<String>,
}

impl Film {
    /// The one with this number; the others differ in nothing else, so that all are of one size.
    #[must_use]
    pub fn of(id: u64) -> Self {
        Self {
            id,
            title: "The Cabinet of Dr. Caligari".to_owned(),
            director: "Robert Wiene".to_owned(),
            genre: "Horror".to_owned(),
            synopsis: "A hypnotist uses a somnambulist to commit murders in a small German town; \
                       what the narrator makes of it is another story."
                .to_owned(),
            year: 1920,
            minutes: 76,
            rating: 8.1,
            votes: 70_233,
            box_office: Some(8_811),
            in_colour: false,
            languages: vec!["de".to_owned(), "en".to_owned()],
        }
    }

    /// As both contenders encode it: MessagePack with the names of the fields.
    ///
    /// # Panics
    /// Never: nothing in it can fail to be encoded.
    #[must_use]
    pub fn encode<V: Serialize>(value: &V) -> Vec<u8> {
        rmp_serde::to_vec_named(value).expect("MessagePack has a form for everything in here")
    }
}

/// What a loader may fail with, as far as its type is concerned.
#[derive(Clone, Debug)]
pub struct LoadError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_about_300_bytes() {
        let bytes = Film::encode(&Film::of(1));
        assert!((280..360).contains(&bytes.len()), "{}", bytes.len());
    }
}
