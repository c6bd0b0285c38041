use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    net::IpAddr,
};

use serde::{Deserialize, Deserializer};

use super::*;
use crate::domain::{
    entry::{Lifetime, Token},
    verdict::Fingerprint,
};

fn seal<V>(proofs: &Proofs, value: &V) -> Result<(Sealed, Option<Difference>), Unstorable>
where
    V: Serialize + DeserializeOwned + 'static,
{
    let lifetime = Lifetime { fresh: 1, total: 1 };
    let fingerprint = Fingerprint(0);
    let seal = Seal { value: Some(value), id: Token::NONE, lifetime, load: 0, fingerprint, tags: &[] };
    proofs.seal(&seal, None, 1 << 20)
}

fn comes_back<V>(value: &V, wire: Wire)
where
    V: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    let (sealed, difference) = seal(&Proofs::new(), value).expect("storable");
    assert_eq!((sealed.body.header().wire, difference), (wire, None), "{value:?}");
    assert_eq!(decode::<V>(&sealed.body).expect("readable"), *value);
}

fn differs<V: Serialize + DeserializeOwned + 'static>(value: &V, field: &str) {
    let (_, difference) = seal(&Proofs::new(), value).expect("storable");
    assert_eq!(difference, Some(Difference::At(field.to_owned())));
}

fn is_refused<V: Serialize + DeserializeOwned + 'static>(value: &V, message: &str) {
    match seal(&Proofs::new(), value) {
        Err(Unstorable::Unreadable(error)) => assert!(error.contains(message), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Event {
    Login { ip: IpAddr },
    Logout,
}

const LOGIN: Event = Event::Login { ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    #[serde(flatten)]
    event: Event,
    id: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Address(IpAddr),
    Number(u64),
}

#[test]
fn a_type_that_comes_back_only_in_the_readable_spelling_is_stored_in_it() {
    comes_back(&LOGIN, Wire::Readable);
    comes_back(&Flat { event: LOGIN, id: 1 }, Wire::Readable);
    comes_back(&Either::Address(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)), Wire::Readable);
}

#[test]
fn every_other_type_is_stored_in_the_compact_one() {
    comes_back(&IpAddr::from([127, 0, 0, 1]), Wire::Compact);
    comes_back(&Event::Logout, Wire::Compact);
    comes_back(&Either::Number(7), Wire::Compact);
    comes_back(&(u128::MAX, f64::MIN, "text".to_owned(), Some(vec![1_u8])), Wire::Compact);
    comes_back(&(0..50).map(|number| (number, 1)).collect::<HashMap<u32, u8>>(), Wire::Compact);
    comes_back(&(0..50).collect::<HashSet<u32>>(), Wire::Compact);
}

#[test]
fn a_value_that_does_not_come_back_is_refused_with_the_words_of_serde() {
    #[derive(Serialize, Deserialize)]
    struct Account {
        id: u64,
        #[serde(skip_serializing)]
        #[expect(dead_code, reason = "it is not asked for")]
        hash: String,
    }
    #[derive(Serialize, Deserialize)]
    struct Profile {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        films: Vec<u8>,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Large {
        Number { number: u128 },
    }
    is_refused(&Account { id: 1, hash: "x".to_owned() }, "missing field `hash`");
    is_refused(&Profile { films: Vec::new() }, "missing field `films`");
    is_refused(&Large::Number { number: u128::MAX }, "u128");
    assert!(seal(&Proofs::new(), &Profile { films: vec![1] }).is_ok(), "this one comes back");
}

#[test]
fn a_value_that_comes_back_as_another_one_is_stored_and_its_field_named() {
    fn doubled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        u32::deserialize(deserializer).map(|number| number * 2)
    }
    #[derive(Serialize, Deserialize)]
    struct Price {
        name: String,
        #[serde(deserialize_with = "doubled")]
        cents: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct Order {
        prices: Vec<Price>,
    }
    let price = || Price { name: "x".to_owned(), cents: 5 };
    differs(&price(), "cents");
    differs(&Order { prices: vec![price(), price()] }, "prices.cents");
}

#[test]
fn a_value_that_could_not_be_read_makes_the_next_one_be_proven_anew() {
    let proofs = Proofs::new();
    seal(&proofs, &Event::Logout).expect("storable");
    assert!(proofs.of::<Event>().is_proven && proofs.of::<Event>().wire == Wire::Compact);
    proofs.doubt::<Event>();
    assert!(!proofs.of::<Event>().is_proven);
    let (sealed, _) = seal(&proofs, &LOGIN).expect("storable");
    assert_eq!(sealed.body.header().wire, Wire::Readable);
    assert!(proofs.of::<Event>().is_proven);
    // Each type of a generic function has its own.
    assert!(!proofs.of::<IpAddr>().is_proven);
}

/// `serde` does not write it, so only a comparison shows that it is gone.
#[test]
fn a_field_that_is_not_written_is_missed_where_values_can_be_compared() {
    #[derive(PartialEq, Serialize, Deserialize)]
    struct User {
        id: u32,
        #[serde(skip)]
        is_admin: bool,
        nickname: Option<Option<String>>,
        score: f64,
    }
    let difference = |user: &User| {
        let lifetime = Lifetime { fresh: 1, total: 1 };
        let fingerprint = Fingerprint(0);
        let seal = Seal { value: Some(user), id: Token::NONE, lifetime, load: 0, fingerprint, tags: &[] };
        Proofs::new().seal(&seal, Some(User::eq), 1 << 20).expect("storable").1
    };
    let user = || User { id: 1, is_admin: false, nickname: None, score: 0.5 };
    assert_eq!(difference(&user()), None);
    assert_eq!(difference(&User { is_admin: true, ..user() }), Some(Difference::Unwritten));
    assert_eq!(difference(&User { nickname: Some(None), ..user() }), Some(Difference::Unwritten));
    assert_eq!(difference(&User { score: f64::NAN, ..user() }), None, "it is never the same");
}
