use std::time::Duration;

use super::*;

const OWNER: usize = 7;

const UNTAGGED: Tags<'_> = Tags::ByKey { any: false };

fn asker<'a>(key: &'a Key, tags: Tags<'a>) -> Asker<'a> {
    Asker { key: key.as_bytes(), hash: hash(key), owner: OWNER, at_most: 5_000, tags }
}

/// Bad on purpose: what shares a hash is told apart all the same.
fn hash(key: &Key) -> u64 {
    let sum = key.as_bytes().iter().fold(0_u64, |sum, byte| sum * 31 % 1_021 + u64::from(*byte));
    (sum % 512).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

struct Level {
    local: Local,
    clock: Clock,
}

fn level() -> Level {
    let clock = Clock::still();
    Level { local: Local::new(1 << 20, clock.clone(), true), clock }
}

impl Level {
    fn ticket(&self, key: &str, tags: &[Key]) -> Ticket {
        self.local.ticket(&Key::raw(key), tags).expect("it is on")
    }

    fn insert(&self, ticket: Ticket, key: &str, tags: &[Key], value: Option<u32>) {
        self.insert_for(ticket, key, tags, value, 60_000);
    }

    fn insert_for(&self, ticket: Ticket, key: &str, tags: &[Key], value: Option<u32>, left: Millis) {
        let key = &Key::raw(key);
        let incoming = Incoming { key, hash: hash(key), tags, value, bytes: 100, left, owner: OWNER };
        self.local.insert(ticket, incoming);
    }

    fn put(&self, key: &str, value: u32) {
        self.insert(self.ticket(key, &[]), key, &[], Some(value));
    }

    fn get(&self, key: &str) -> Option<Option<u32>> {
        self.local.get::<u32>(asker(&Key::raw(key), UNTAGGED))
    }
}

#[test]
fn a_value_is_served_until_it_is_forgotten() {
    let level = level();
    level.put("a", 1);
    level.insert(level.ticket("b", &[]), "b", &[], None);
    assert_eq!((level.get("a"), level.get("b"), level.get("c")), (Some(Some(1)), Some(None), None));
    assert_eq!(
        level.local.get::<u64>(asker(&Key::raw("a"), UNTAGGED)),
        None,
        "it is a value of another type"
    );
    level.local.forget(b"a");
    assert_eq!((level.get("a"), level.get("b")), (None, Some(None)));
}

#[test]
fn what_was_forgotten_while_it_was_asked_for_does_not_go_in() {
    let forgotten: [fn(&Local); 4] = [
        |local| local.forget(b"a"),
        |local| local.forget_matching(&Pattern::new("a*")),
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
        level.insert(ticket, "a", &[], Some(1));
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
    let key = Key::raw("a");
    let hasty = Asker { at_most: 1_000, ..asker(&key, UNTAGGED) };
    assert_eq!(level.local.get::<u32>(hasty), None);
    assert_eq!(level.get("a"), Some(Some(1)));
    level.clock.advance(Duration::from_millis(3_000));
    assert_eq!(level.get("a"), None);
    let ticket = level.ticket("b", &[]);
    level.insert_for(ticket, "b", &[], Some(1), 10);
    level.clock.advance(Duration::from_millis(10));
    assert_eq!(level.get("b"), None);
}

#[test]
fn a_tag_takes_its_values_away_also_those_that_are_on_their_way() {
    let level = level();
    let (tag, other) = (Key::tag("", "org:1"), Key::tag("", "org:2"));
    let tags = [tag.clone()];
    let get = |key: &str, tags: &[Key]| level.local.get::<u32>(asker(&Key::raw(key), Tags::These(tags)));
    level.insert(level.ticket("a", &tags), "a", &tags, Some(1));
    level.insert(level.ticket("b", &[]), "b", &[], Some(2));
    let on_its_way = level.ticket("c", &tags);
    assert_eq!(get("a", &tags), Some(Some(1)));
    assert_eq!(get("a", &[other]), None, "it does not carry that tag");
    assert_eq!(get("a", &[]), None, "one without tags does not know them");
    let key = Key::raw("a");
    let by_key = asker(&key, Tags::ByKey { any: true });
    assert_eq!(level.local.get::<u32>(by_key), Some(Some(1)));
    let other = Asker { owner: OWNER + 1, ..by_key };
    assert_eq!(level.local.get::<u32>(other), None, "another function has others");
    level.local.forget(tag.as_bytes());
    level.insert(on_its_way, "c", &tags, Some(3));
    assert_eq!((get("a", &tags), get("c", &tags), get("b", &[])), (None, None, Some(Some(2))));
    assert_eq!(level.local.get::<u32>(by_key), None);
}

#[test]
fn a_pattern_takes_away_what_matches_also_what_is_on_its_way() {
    let level = level();
    level.put("user:1:name", 1);
    level.put("user:2:name", 2);
    let on_their_way = ["user:1:age", "user:2:age"].map(|key| (key, level.ticket(key, &[])));
    level.local.forget_matching(&Pattern::new("user:1:*"));
    for (key, ticket) in on_their_way {
        level.insert(ticket, key, &[], Some(3));
    }
    assert_eq!((level.get("user:1:name"), level.get("user:2:name")), (None, Some(Some(2))));
    assert_eq!((level.get("user:1:age"), level.get("user:2:age")), (None, Some(Some(3))));
    level.put("user:1:name", 4);
    assert_eq!(level.get("user:1:name"), Some(Some(4)));
    // More than are remembered: what was looked at meanwhile stays.
    for number in 0..1_000 {
        level.local.forget_matching(&Pattern::new(&format!("film:{number}:*")));
        assert_eq!(level.get("user:1:name"), Some(Some(4)), "{number}");
    }
    assert_eq!(level.get("user:2:age"), None);
}

/// A call that puts a value in never walks over all the others.
#[test]
fn a_value_that_goes_in_looks_at_a_few_others_only() {
    let level = level();
    let looked = || level.local.level.get().expect("in use").lock().looked;
    let put_all = |name: &str| {
        let mut most = 0;
        for number in 0..5_000 {
            let key = format!("{name}:{number}");
            level.put(&key, number);
            most = most.max(looked());
            // All are of use.
            assert!(level.get(&key).is_some());
        }
        most
    };
    assert!(put_all("full") <= SPARED + SWEPT);
    level.local.forget_matching(&Pattern::new("full:*"));
    assert!(put_all("next") <= SPARED + SWEPT_AFTER_MANY);
    level.local.forget_all();
    assert!(put_all("last") <= SPARED + SWEPT_AFTER_MANY);
}

/// Forgotten values give their room back, by and by.
#[test]
fn what_a_pattern_took_away_is_dropped_in_passing() {
    let level = level();
    (0..1_000).for_each(|number| level.put(&format!("user:{number}"), number));
    level.local.forget_matching(&Pattern::new("user:*"));
    assert_eq!(level.local.size().0, 1_000, "nothing was looked at yet");
    (0..100).for_each(|number| level.put(&format!("film:{number}"), number));
    assert_eq!(level.local.size().0, 100);
    level.local.forget_all();
    assert_eq!(level.local.size(), (0, 0), "what is forgotten as a whole is not counted");
    (0..10).for_each(|number| level.put(&format!("film:{number}"), number));
    assert_eq!(level.local.size().0, 10);
    let held = level.local.level.get().expect("in use").values.len();
    assert_eq!(held, 10, "all the others were dropped");
}

#[test]
fn nothing_is_served_when_nothing_was_told_for_three_seconds() {
    let clock = Clock::still();
    let level = Level { local: Local::new(1 << 20, clock.clone(), false), clock };
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
fn the_bound_in_bytes_holds_and_what_is_of_use_stays() {
    let level = level();
    level.put("favourite", 7);
    for number in 0..5_000 {
        level.put(&format!("key:{number}"), number);
        if number % 100 == 0 {
            assert_eq!(level.get("favourite"), Some(Some(7)), "{number}");
        }
    }
    let (values, bytes) = level.local.size();
    assert!(bytes <= 1 << 20 && bytes > 900_000 && values > 500, "{values} values of {bytes} bytes");
    assert_eq!((level.get("key:0"), level.get("key:4999")), (None, Some(Some(4_999))));
    level.local.forget_all();
    assert_eq!(level.local.size(), (0, 0));
}

#[test]
fn what_is_of_no_use_any_more_gives_its_room_back() {
    let level = level();
    (0..500).for_each(|number| level.put(&format!("old:{number}"), number));
    level.clock.advance(Duration::from_secs(61));
    (0..500).for_each(|number| level.put(&format!("new:{number}"), number));
    assert_eq!(level.local.size().0, 500);
    (0..500).for_each(|number| level.local.forget(format!("new:{number}").as_bytes()));
    (0..500).for_each(|number| level.put(&format!("last:{number}"), number));
    assert_eq!(level.local.size().0, 500);
}

/// A value that is replaced again and again by readers, while writers change it: none is served that is older than a
/// change that was told before.
#[test]
fn no_thread_is_served_what_was_forgotten_before() {
    let level = level();
    let truth = AtomicU32::new(0);
    let written = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for value in 1..=20_000 {
                truth.store(value, Ordering::SeqCst);
                level.local.forget(b"a");
                written.store(value, Ordering::SeqCst);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while written.load(Ordering::SeqCst) < 20_000 {
                    let before = written.load(Ordering::SeqCst);
                    match level.get("a") {
                        Some(value) => assert!(value.unwrap_or(0) >= before, "{value:?} after {before}"),
                        None => {
                            let ticket = level.ticket("a", &[]);
                            level.insert(ticket, "a", &[], Some(truth.load(Ordering::SeqCst)));
                        }
                    }
                }
            });
        }
    });
}
