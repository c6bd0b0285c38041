use std::time::Duration;

use super::*;

const OWNER: usize = 7;

fn asker(tags: Tags<'_>) -> Asker<'_> {
    Asker { owner: OWNER, at_most: 5_000, tags }
}

const UNTAGGED: Asker<'_> = Asker { owner: OWNER, at_most: 5_000, tags: Tags::ByKey { any: false } };

struct Level {
    local: Local,
    clock: Clock,
}

fn level() -> Level {
    let clock = Clock::default();
    Level { local: Local::new(1 << 20, "", clock.clone(), true), clock }
}

impl Level {
    fn ticket(&self, key: &str, tags: &[Key]) -> Ticket {
        self.local.ticket(&Key::raw(key), tags).expect("it is on")
    }

    fn insert(&self, ticket: Ticket, key: &str, value: Option<u32>) {
        let incoming = Incoming { key: &Key::raw(key), value, bytes: 100, left: 60_000, owner: OWNER };
        self.local.insert(ticket, incoming);
    }

    fn put(&self, key: &str, value: u32) {
        self.insert(self.ticket(key, &[]), key, Some(value));
    }

    fn get(&self, key: &str) -> Option<Option<u32>> {
        self.local.get::<u32>(&Key::raw(key), UNTAGGED)
    }
}

#[test]
fn a_value_is_served_until_it_is_forgotten() {
    let level = level();
    level.put("a", 1);
    level.insert(level.ticket("b", &[]), "b", None);
    assert_eq!((level.get("a"), level.get("b"), level.get("c")), (Some(Some(1)), Some(None), None));
    assert_eq!(level.local.get::<u64>(&Key::raw("a"), UNTAGGED), None, "it is a value of another type");
    level.local.forget(b"a");
    assert_eq!((level.get("a"), level.get("b")), (None, Some(None)));
}

#[test]
fn what_was_forgotten_while_it_was_asked_for_does_not_go_in() {
    let forgotten: [fn(&Local); 4] = [
        |local| local.forget(b"a"),
        |local| local.forget_matching(&Pattern::new("nothing:*")),
        |local| local.forget_all(),
        |local| {
            local.lost();
            local.up();
        },
    ];
    for forget in forgotten {
        let level = level();
        let ticket = level.ticket("a", &[]);
        forget(&level.local);
        level.insert(ticket, "a", Some(1));
        assert_eq!(level.get("a"), None);
        level.put("a", 2);
        assert_eq!(level.get("a"), Some(Some(2)));
    }
}

#[test]
fn a_value_ends_with_its_entry_and_with_the_time_of_who_asks() {
    let level = level();
    level.put("a", 1);
    level.clock.advance(Duration::from_millis(2_000));
    let hasty = Asker { at_most: 1_000, ..UNTAGGED };
    assert_eq!(level.local.get::<u32>(&Key::raw("a"), hasty), None);
    assert_eq!(level.get("a"), Some(Some(1)));
    level.clock.advance(Duration::from_millis(3_000));
    assert_eq!(level.get("a"), None);
    let ticket = level.ticket("b", &[]);
    let incoming = Incoming { key: &Key::raw("b"), value: Some(1_u32), bytes: 1, left: 10, owner: OWNER };
    level.local.insert(ticket, incoming);
    level.clock.advance(Duration::from_millis(10));
    assert_eq!(level.get("b"), None);
}

#[test]
fn a_tag_takes_its_values_away_also_those_that_are_on_their_way() {
    let level = level();
    let (tag, other) = (Key::tag("", "org:1"), Key::tag("", "org:2"));
    let tags = [tag.clone()];
    let get = |key: &str, tags: &[Key]| level.local.get::<u32>(&Key::raw(key), asker(Tags::These(tags)));
    level.insert(level.ticket("a", &tags), "a", Some(1));
    level.insert(level.ticket("b", &[]), "b", Some(2));
    let on_its_way = level.ticket("c", &tags);
    assert_eq!(get("a", &tags), Some(Some(1)));
    assert_eq!(get("a", &[other]), None, "it does not carry that tag");
    assert_eq!(get("a", &[]), None, "one without tags does not know them");
    let by_key = asker(Tags::ByKey { any: true });
    let get_by_key = |key: &str, asker| level.local.get::<u32>(&Key::raw(key), asker);
    assert_eq!(get_by_key("a", by_key), Some(Some(1)));
    assert_eq!(get_by_key("a", Asker { owner: OWNER + 1, ..by_key }), None, "another function has others");
    level.local.forget(tag.as_bytes());
    level.insert(on_its_way, "c", Some(3));
    assert_eq!((get("a", &tags), get("c", &tags), get("b", &[])), (None, None, Some(Some(2))));
    assert_eq!(get_by_key("a", by_key), None);
}

#[test]
fn a_pattern_takes_away_what_matches() {
    let level = level();
    level.put("user:1:name", 1);
    level.put("user:2:name", 2);
    level.local.forget_matching(&Pattern::new("user:1:*"));
    assert_eq!((level.get("user:1:name"), level.get("user:2:name")), (None, Some(Some(2))));
}

#[test]
fn nothing_is_served_when_nothing_was_told_for_three_seconds() {
    let clock = Clock::default();
    let level = Level { local: Local::new(1 << 20, "", clock.clone(), false), clock };
    assert!(level.local.ticket(&Key::raw("a"), &[]).is_none() && !level.local.is_on());
    level.local.up();
    level.put("a", 1);
    level.clock.advance(PATIENCE - Duration::from_millis(500));
    assert_eq!(level.get("a"), Some(Some(1)));
    level.local.alive(Stopwatch::start());
    level.clock.advance(PATIENCE - Duration::from_millis(500));
    assert_eq!(level.get("a"), None, "its own time is over");
    level.put("a", 2);
    level.clock.advance(Duration::from_secs(1));
    assert_eq!(level.get("a"), None);
    assert!(level.local.ticket(&Key::raw("a"), &[]).is_none());
    level.local.alive(Stopwatch::start());
    assert_eq!(level.get("a"), Some(Some(2)), "nothing was missed");
    level.local.lost();
    level.local.up();
    assert_eq!(level.get("a"), None);
}

#[test]
fn the_bound_in_bytes_holds() {
    let level = level();
    for number in 0..5_000 {
        let key = format!("key:{number}");
        let ticket = level.ticket(&key, &[]);
        let incoming =
            Incoming { key: &Key::raw(&key), value: Some(number), bytes: 1_000, left: 1_000, owner: OWNER };
        level.local.insert(ticket, incoming);
    }
    let (values, bytes) = level.local.size();
    assert!(bytes <= 1 << 20 && values > 500, "{values} values of {bytes} bytes");
}
