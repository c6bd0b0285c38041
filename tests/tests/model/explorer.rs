//! Visits every state that a world can reach.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Debug, Display},
    hash::{BuildHasherDefault, Hash, Hasher},
    rc::Rc,
};

/// As many states as a normal run can afford for one scene.
const MANY: usize = 600_000;

/// All that takes part, at one moment.
pub(crate) trait World: Clone + Eq + Hash {
    /// Who takes part, what may happen, and which rule is left out.
    type Scene: Copy + Debug;

    fn new(scene: &Self::Scene) -> Self;

    /// All that may happen next.
    fn next(&self, scene: &Self::Scene) -> Next<Self>;

    /// Everybody who was called has returned.
    fn is_done(&self) -> bool;
}

/// "reader 1: GET executed".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event(pub(crate) &'static str, pub(crate) usize, pub(crate) &'static str);

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0, self.1, self.2)
    }
}

/// A read that returned what it must not, or a load that there must not be.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

pub(crate) type Next<W> = Vec<(Event, Result<W, Broken>)>;

/// States come from nobody who is up to something: half of the time went into a hash that is safe from that.
#[derive(Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

/// What an exploration has found.
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// The way to the first broken promise.
    pub(crate) broken: Option<Vec<String>>,
    /// The way to a state from which some living caller can never finish.
    pub(crate) stuck: Option<Vec<String>>,
}

/// Every state that can be reached, nearest first.
pub(crate) fn explore<W: World>(scene: &W::Scene) -> Explored {
    let first = Rc::new(W::new(scene));
    let mut numbers = HashMap::<_, _, BuildHasherDefault<Mixer>>::default();
    numbers.insert(Rc::clone(&first), 0_usize);
    let mut ways: Vec<(usize, Event)> = vec![(0, Event("", 0, ""))];
    let mut steps: Vec<(usize, usize)> = Vec::new();
    let mut can = vec![true];
    let mut queue = VecDeque::from([(0, first)]);
    while let Some((from, world)) = queue.pop_front() {
        for (event, result) in world.next(scene) {
            let after = match result {
                Ok(after) => after,
                Err(Broken(what)) => {
                    let mut events = way(&ways, from);
                    events.extend([event.to_string(), what]);
                    return Explored { states: ways.len(), broken: Some(events), stuck: None };
                }
            };
            if let Some(known) = numbers.get(&after) {
                steps.push((*known, from));
                continue;
            }
            let number = ways.len();
            assert!(number < MANY || is_deep(), "too many states for a normal run: {scene:?}");
            steps.push((number, from));
            ways.push((from, event));
            can.push(after.is_done());
            let after = Rc::new(after);
            numbers.insert(Rc::clone(&after), number);
            queue.push_back((number, after));
        }
    }
    // P4, backwards from where everybody has returned.
    steps.sort_unstable();
    let mut open: Vec<usize> = (0..can.len()).filter(|at| can[*at]).collect();
    while let Some(at) = open.pop() {
        let first = steps.partition_point(|step| step.0 < at);
        for &(_, from) in steps[first..].iter().take_while(|step| step.0 == at) {
            if !std::mem::replace(&mut can[from], true) {
                open.push(from);
            }
        }
    }
    let stuck = can.iter().position(|can| !can).map(|at| way(&ways, at));
    Explored { states: ways.len(), broken: None, stuck }
}

fn way(ways: &[(usize, Event)], mut at: usize) -> Vec<String> {
    let mut events = Vec::new();
    while at != 0 {
        events.push(ways[at].1.to_string());
        at = ways[at].0;
    }
    events.reverse();
    events
}

/// Nothing is broken, and everybody can finish.
#[track_caller]
pub(crate) fn holds<W: World>(scene: W::Scene) {
    let explored = explore::<W>(&scene);
    println!("{} states: {scene:?}", explored.states);
    assert_eq!(explored.broken, None, "a broken promise");
    assert_eq!(explored.stuck, None, "somebody can never finish");
    assert!(explored.states > 500, "the scene is too small to say anything");
}

/// Something is broken, or somebody can never finish.
#[track_caller]
pub(crate) fn breaks<W: World>(scene: W::Scene, without: impl Debug) {
    let explored = explore::<W>(&scene);
    let events = explored.broken.or(explored.stuck);
    let events = events.unwrap_or_else(|| panic!("nothing breaks without {without:?}"));
    println!("without {without:?}: {events:#?}");
}

/// Whether minutes and gigabytes may be spent: `cargo xtask soak`.
pub(crate) fn is_deep() -> bool {
    std::env::var("CACHE_MODEL").is_ok_and(|depth| depth == "deep")
}
