//! Keys: versions, escapes, hash tags, several templates.

use std::fmt;

use cache_runtime::{KeyPart, KeyWriter, cached};

use super::{once, run, tick};

#[cached(ttl = "5m", key = "versioned:<id>", version = 2)]
async fn versioned(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "<id>-<name>.{<id>}", version = 3)]
async fn odd(id: u64, name: &str) -> u64 {
    tick() + id + name.len() as u64
}

#[cached(ttl = "5m", key = "a<<b>>:<id>")]
async fn brackets(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "raw:<type>:<point.fn>:<r#type>", skip = [point, r#struct])]
async fn raw_name(r#type: u64, point: Raw, r#struct: u64) -> u64 {
    tick() + r#type + point.r#fn + r#struct
}

struct Raw {
    r#fn: u64,
}

#[cached(ttl = "5m", key = "umlaut:<größe>")]
async fn umlaut(größe: u64) -> u64 {
    tick() + größe
}

#[derive(KeyPart)]
struct UserId(u64);

#[derive(KeyPart)]
struct Scoped<T> {
    org: T,
    user: UserId,
}

#[derive(KeyPart)]
struct Named<'a> {
    name: &'a str,
}

struct ByHand(u64);

impl KeyPart for ByHand {
    fn write_part(&self, key: &mut KeyWriter) {
        key.integer(self.0);
    }
}

impl fmt::Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cached(ttl = "5m", key = "own:<scoped>:<named>:<hand>")]
async fn own_types(scoped: &Scoped<String>, named: Named<'_>, hand: ByHand) -> u64 {
    tick() + scoped.user.0 + scoped.org.len() as u64 + named.name.len() as u64 + hand.0
}

#[tokio::test]
async fn keys_are_as_they_are_written() {
    run(async {
        once!(versioned(1));
        assert_eq!(versioned::entry(&1).key().to_string(), "v2:versioned:1");
        once!(odd(1, "x.y"));
        assert_eq!(odd::entry(&1, "x.y").key().to_string(), "v3:1-x%2Ey.{1}");
        assert_eq!(odd::entry(&1, "x}").key().to_string(), "v3:1-x%7D.{1}");
        once!(brackets(1));
        assert_eq!(brackets::entry(&1).key().to_string(), "a<b>:1");
        once!(raw_name(1, Raw { r#fn: 2 }, 3));
        assert_eq!(raw_name::entry(&1, &Raw { r#fn: 2 }).key().to_string(), "raw:1:2:1");
        once!(umlaut(1));
    })
    .await;
}

#[tokio::test]
async fn own_types_are_parts() {
    run(async {
        let scoped = || Scoped { org: "o,1".to_owned(), user: UserId(7) };
        once!(own_types(&scoped(), Named { name: "n" }, ByHand(1)));
        let entry = own_types::entry(&scoped(), &Named { name: "n" }, &ByHand(1));
        assert_eq!(entry.key().to_string(), "own:o%2C1,7,:n:1");
    })
    .await;
}
