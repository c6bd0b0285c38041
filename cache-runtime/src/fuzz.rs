//! What the targets in `fuzz/` reach. Compiled with `--cfg fuzzing` only.

use crate::{
    codec::{
        self,
        envelope::{self, Body, Parsed},
    },
    domain::{
        entry::Entry,
        key::{Key, KeyWriter},
    },
    redis::config::RedisConfig,
};

pub fn envelope(bytes: &[u8]) {
    if let Parsed::Entry(Entry::Value { value, .. }) = envelope::parse(bytes.to_vec()) {
        opens::<u64>(&value.body);
        opens::<(String, Vec<Option<bool>>)>(&value.body);
        opens::<std::collections::BTreeMap<String, f64>>(&value.body);
    }
}

fn opens<V: serde::de::DeserializeOwned>(body: &Body) {
    drop(codec::open::<Box<V>>(body));
}

pub fn key(one: [&str; 2], two: [&str; 2]) {
    let key_of = |parts: [&str; 2]| -> Key {
        let mut key = KeyWriter::new("shop:user");
        for part in parts {
            key.literal(":");
            key.open(0);
            key.text(part);
            key.close();
        }
        key.finish()
    };
    let key = key_of(one);
    assert_eq!(one == two, key == key_of(two));
    assert_eq!(key.to_string().matches(':').count(), 3);
    assert!(key.as_bytes().iter().all(|byte| *byte > b' ' && !b"{}*?[]\\\x7f".contains(byte)));
}

pub fn url(url: &str) {
    if let Err(error) = RedisConfig::from_url(url, "the URL") {
        let text = error.to_string();
        assert!(
            ["write `redis://", "use `redis://", "cargo add"].iter().any(|fix| text.contains(fix)),
            "{text}"
        );
    }
}
