use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{damage::Damage, envelope::Parsed, *};
use crate::domain::entry::{Entry, Lease, Value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
}

fn user() -> impl Strategy<Value = User> {
    (any::<u64>(), ".{0,20}", proptest::collection::vec(".{0,5}", 0..3)).prop_map(|(id, name, tags)| User {
        id,
        name,
        tags,
    })
}

fn sealed(value: Option<&User>) -> Sealed {
    let fingerprint = Fingerprint::of(std::any::type_name::<User>());
    let lifetime = Lifetime { fresh: 5_000, total: 9_000 };
    let seal_of = Seal { value, id: Token([7; 16]), lifetime, load: 12, fingerprint, tags: &[] };
    seal(&seal_of, 1 << 20).expect("storable")
}

/// The bytes of a value as the scripts write them.
fn stored(created: Millis, lease: Option<Lease>, sealed: &Sealed) -> Vec<u8> {
    let mut bytes = vec![0xC1, 0x22];
    bytes.extend(created.to_be_bytes());
    bytes.extend(created.to_be_bytes());
    bytes.extend(lease.map_or([0; 16], |lease| lease.token.0));
    bytes.extend(lease.map_or(0, |lease| lease.until).to_be_bytes());
    bytes.extend(sealed.body.as_bytes());
    bytes
}

fn value_in(parsed: Parsed) -> Option<(Value<Body>, Option<Lease>)> {
    match parsed {
        Parsed::Entry(Entry::Value { value, lease }) => Some((value, lease)),
        Parsed::Entry(_) | Parsed::Damaged(_) => None,
    }
}

proptest! {
    #[test]
    fn what_was_stored_comes_back(user in user(), created in 1_u64..1 << 50, leased in any::<bool>()) {
        let lease = leased.then_some(Lease { token: Token([3; 16]), until: 77 });
        let sealed = sealed(Some(&user));
        let (value, found_lease) = value_in(envelope::parse(stored(created, lease, &sealed))).expect("a value");
        prop_assert_eq!(found_lease, lease);
        prop_assert_eq!(value.id, Token([7; 16]));
        prop_assert_eq!((value.created, value.fresh_until, value.until), (created, created + 5_000, created + 9_000));
        prop_assert_eq!(value.body.header().load, 12);
        prop_assert_eq!(open::<User>(&value.body), Some(user));
    }

    #[test]
    fn a_flipped_bit_is_a_miss_or_changes_nothing(user in user(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let sealed = sealed(Some(&user));
        let bytes = stored(1_000, None, &sealed);
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        if let Some((value, _)) = value_in(envelope::parse(flipped)) {
            // Only the lease beside the value is outside of the checksum.
            prop_assert_eq!((value.created, value.until), (1_000, 10_000));
            prop_assert_eq!(open::<User>(&value.body), Some(user));
        }
    }

    #[test]
    fn a_truncated_value_is_a_miss(user in user(), at in any::<prop::sample::Index>()) {
        let mut bytes = stored(1_000, None, &sealed(Some(&user)));
        bytes.truncate(at.index(bytes.len()));
        prop_assert!(value_in(envelope::parse(bytes)).is_none());
    }

    #[test]
    fn foreign_bytes_are_a_miss(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(value_in(envelope::parse(bytes)).is_none());
    }

    #[test]
    fn foreign_bytes_with_our_first_byte_are_a_miss(
        kind in prop::sample::select(vec![0x11_u8, 0x22, 0x44]),
        created in any::<[u8; 8]>(),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = vec![0xC1, kind];
        bytes.extend(created);
        bytes.extend(created);
        bytes.extend(rest);
        prop_assert!(value_in(envelope::parse(bytes)).is_none());
    }
}

/// The bytes of a lease, and of a fence of two writers, as the scripts write them.
fn without_value() -> [Vec<u8>; 2] {
    let start = |kind| {
        let created = 1_000_u64.to_be_bytes();
        [&[0xC1, kind][..], &created, &created].concat()
    };
    let writer = |token: u8| [&[token; 16][..], &9_000_u64.to_be_bytes()].concat();
    [[start(0x11), writer(1)].concat(), [start(0x44), vec![0], writer(1), writer(2)].concat()]
}

/// Types that differ in everything that MessagePack knows.
fn open_as_anything(body: &Body) -> usize {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "what is decoded is not looked at")]
    enum Choice {
        Unit,
        One(u8),
        Named { first: String },
    }
    fn opens<V: DeserializeOwned>(body: &Body) -> usize {
        usize::from(open::<V>(body).is_some())
    }
    opens::<User>(body)
        + opens::<u64>(body)
        + opens::<(i8, f32)>(body)
        + opens::<String>(body)
        + opens::<Vec<Option<bool>>>(body)
        + opens::<std::collections::BTreeMap<String, Vec<u8>>>(body)
        + opens::<Choice>(body)
        + opens::<Tree>(body)
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is decoded is not looked at")]
struct Tree(Vec<Self>);

/// A body whose checksum is right, whatever its payload is.
fn sealed_payload(payload: &[u8]) -> Body {
    let lifetime = Lifetime { fresh: 1, total: 1 };
    let header = Header {
        wire: Wire::Compact,
        negative: false,
        fingerprint: Fingerprint(0),
        id: Token::NONE,
        lifetime,
        load: 0,
        tags: 0,
    };
    let mut bytes = header.start(&[]);
    bytes.extend_from_slice(payload);
    Body::close(header, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_value_is_a_miss_or_the_value(user in user(), leased in any::<bool>(), damages in Damage::some()) {
        let lease = leased.then_some(Lease { token: Token([3; 16]), until: 77 });
        let sealed = sealed(Some(&user));
        let bytes = Damage::all(&damages, stored(1_000, lease, &sealed));
        if let Some((value, _)) = value_in(envelope::parse(bytes)) {
            // The first 42 bytes are outside of the checksum; in them only the lease is not written twice.
            prop_assert_eq!(&value.body, &sealed.body);
            prop_assert_eq!(open::<User>(&value.body), Some(user));
        }
    }

    #[test]
    fn a_damaged_lease_or_fence_is_never_a_value(fence in any::<bool>(), damages in Damage::some()) {
        let bytes = Damage::all(&damages, without_value()[usize::from(fence)].clone());
        prop_assert!(value_in(envelope::parse(bytes)).is_none());
    }

    #[test]
    fn a_damaged_payload_with_a_right_checksum_is_decoded_or_refused(user in user(), damages in Damage::some()) {
        let payload = Damage::all(&damages, sealed(Some(&user)).body.payload().to_vec());
        open_as_anything(&sealed_payload(&payload));
    }

    #[test]
    fn any_payload_with_a_right_checksum_is_decoded_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
        open_as_anything(&sealed_payload(&payload));
    }
}

/// Neither the stack nor the memory follows what a payload claims.
#[test]
fn a_payload_that_claims_too_much_is_refused() {
    let deep = vec![0x91; 100_000];
    let endless = [0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0];
    let long_text = [0xdb, 0xff, 0xff, 0xff, 0xff, b'x'];
    let wide_map = [0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'x'];
    for payload in [&deep[..], &endless, &long_text, &wide_map] {
        assert_eq!(open_as_anything(&sealed_payload(payload)), 0, "{:02x?}", &payload[..6]);
    }
}

#[test]
fn an_entry_says_how_its_payload_is_spelled() {
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let lifetime = Lifetime { fresh: 1, total: 1 };
    let fingerprint = Fingerprint(0);
    let seal_of = Seal { value: Some(&address), id: Token::NONE, lifetime, load: 0, fingerprint, tags: &[] };
    for wire in [Wire::Compact, Wire::Readable] {
        let sealed = seal_as(&seal_of, wire, 1 << 20).expect("storable");
        assert_eq!(sealed.body.payload().ends_with(b"127.0.0.1"), wire == Wire::Readable);
        let (value, _) = value_in(envelope::parse(stored(1, None, &sealed))).expect("a value");
        assert_eq!(open::<std::net::IpAddr>(&value.body), Some(address));
    }
}

#[test]
fn a_negative_entry_has_no_payload() {
    let (value, _) = value_in(envelope::parse(stored(1, None, &sealed(None)))).expect("a value");
    assert!(value.body.header().negative);
    assert_eq!(value.body.payload(), b"");
}

#[test]
fn a_value_that_is_too_large_is_refused_with_its_size() {
    let user = User { id: 1, name: "x".repeat(100), tags: vec![] };
    let lifetime = Lifetime { fresh: 1, total: 1 };
    let seal_of = Seal {
        value: Some(&user),
        id: Token::NONE,
        lifetime,
        load: 0,
        fingerprint: Fingerprint(0),
        tags: &[],
    };
    assert!(matches!(seal(&seal_of, 100), Err(Unstorable::TooLarge(size)) if size > 100));
}

/// How a value of one version of a service looks to another one.
fn decoded<A: Serialize, B: DeserializeOwned>(written: &A) -> Option<B> {
    let lifetime = Lifetime { fresh: 1, total: 1 };
    let seal_of = Seal {
        value: Some(written),
        id: Token::NONE,
        lifetime,
        load: 0,
        fingerprint: Fingerprint(0),
        tags: &[],
    };
    open(&seal(&seal_of, 1 << 20).expect("storable").body)
}

#[test]
fn fields_that_were_added_removed_swapped_or_retyped_are_right_or_a_miss() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        first: String,
        last: String,
        age: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Swapped {
        age: u8,
        last: String,
        first: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Added {
        first: String,
        last: String,
        age: u8,
        city: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct AddedWithDefault {
        first: String,
        last: String,
        age: u8,
        #[serde(default)]
        city: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Removed {
        first: String,
        age: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Retyped {
        first: String,
        last: u64,
        age: u8,
    }
    let [first, last] = ["Ada", "Lovelace"].map(str::to_owned);
    let old = Old { first: first.clone(), last: last.clone(), age: 36 };
    assert_eq!(
        decoded::<_, Swapped>(&old),
        Some(Swapped { first: first.clone(), last: last.clone(), age: 36 })
    );
    assert_eq!(decoded::<_, Added>(&old), None);
    let with_default = AddedWithDefault { first: first.clone(), last, age: 36, city: String::new() };
    assert_eq!(decoded::<_, AddedWithDefault>(&old), Some(with_default));
    assert_eq!(decoded::<_, Removed>(&old), Some(Removed { first, age: 36 }));
    assert_eq!(decoded::<_, Retyped>(&old), None);
    assert_eq!(decoded::<_, u64>(&old), None);
    assert_eq!(decoded::<_, Option<u8>>(&(1_u8, 2_u8)), None, "a prefix of a longer value");
}
