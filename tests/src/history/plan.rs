//! What a run does, as a seed says it: how much load, and what happens to whom, when.

use std::time::Duration;

use super::random::Random;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of this plan, and of all that the processes draw.
    pub seed: u64,
    /// How many processes there are at a time.
    pub processes: u64,
    /// What each of them does.
    pub load: Load,
    /// So many of them only read: nothing but what they are told makes them give up what they hold.
    pub readers: u64,
    /// How long.
    pub length: Duration,
    /// By up to how much replies of the server arrive later, each connection's by another time.
    pub jitter: Duration,
    /// What happens meanwhile, in the order of time.
    pub faults: Vec<(Duration, Fault)>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many items there are.
    pub keys: u64,
    /// How many tasks call functions, one call after the other.
    pub tasks: u64,
    /// Of one call, in milliseconds.
    pub budget: u64,
    /// How long values are fresh, in milliseconds.
    pub ttl: u64,
    /// How long those of `feed` are.
    pub fading: u64,
    /// How long leases and fences last without renewal, in milliseconds.
    pub lease: u64,
    /// The longest pause between two calls of a task, in milliseconds.
    pub pause: u64,
    /// How many of a thousand calls write.
    pub writes: u64,
    /// How many of a thousand writes are left by their callers, or fail. Each keeps its keys fenced for a second, so
    /// that with many of them nothing is cached.
    pub leaves: u64,
    /// How many of a hundred reads are of functions with a local level.
    pub held: u64,
    /// How long values are in the local level, in milliseconds.
    pub local: u64,
    /// Whether processes tell each other of changes by messages; else the server does.
    pub channel: bool,
    /// Whether the protocol is in force.
    pub fencing: bool,
}

/// What happens to the server or to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `FLUSHALL`.
    Flush,
    /// `SCRIPT FLUSH`.
    FlushScripts,
    /// Every connection is closed by the server, but for those to the channel.
    KillClients,
    /// Those that the server tells of changes are.
    KillTracked,
    /// Those to the channel are.
    KillListeners,
    /// One of the others is; which, is drawn.
    KillLane(u64),
    /// A snapshot is taken, which a later restart brings back.
    Save,
    /// SIGSTOP, and SIGCONT so much later.
    PauseServer(Duration),
    /// SIGKILL, and a start so much later.
    RestartServer(Duration),
    /// SIGKILL, and another process in its place.
    KillProcess(u64),
    /// SIGSTOP, and SIGCONT so much later.
    PauseProcess(u64, Duration),
    /// What the process and the server send to each other is swallowed, until it is healed. No connection is closed.
    Partition(u64),
    /// What is sent over new connections arrives again.
    Heal(u64),
}

/// Which faults a run has: the lowest bits of its seed, so that a few seeds in a row see everything.
const PROFILES: u64 = 6;

/// Each of them with the server, and with messages, to tell of changes.
const ROUND: u64 = PROFILES * 2;

impl Plan {
    /// The plan of a seed, of about this length.
    #[must_use]
    pub fn of(seed: u64, mut length: Duration) -> Self {
        let mut random = Random::new(seed);
        let mut processes = 2 + random.below(2);
        let mut load = Load {
            keys: 3 + random.below(3),
            tasks: 4 + random.below(5),
            budget: *random.pick(&[100, 100, 100, 1_000]),
            ttl: *random.pick(&[60_000, 60_000, 60_000, 40]),
            fading: *random.pick(&[50, 100, 200]),
            lease: *random.pick(&[3_000, 3_000, 400]),
            pause: random.below(4),
            writes: *random.pick(&[5, 20, 60, 120]),
            leaves: *random.pick(&[5, 20, 150]),
            held: 30,
            local: *random.pick(&[200, 2_000, 30_000, 30_000]),
            channel: seed % ROUND >= PROFILES,
            fencing: true,
        };
        let (mut readers, mut jitter) = (0, Duration::ZERO);
        let mut faults = match seed % ROUND % PROFILES {
            // Nothing but callers that go away, and enough of them.
            0 => {
                (load.writes, load.leaves) = (load.writes.max(60), load.leaves.max(50));
                Vec::new()
            }
            // Nothing but answers that overtake each other, so that much is held, and what is on its way is outdated.
            1 => {
                (processes, readers, jitter) = (3, 1, Duration::from_millis(6));
                (load.keys, load.tasks, load.pause, load.held) = (3, 12, 0, 60);
                (load.writes, load.leaves) = (load.writes.clamp(20, 60), 5);
                (load.ttl, load.local) = (60_000, load.local.max(2_000));
                Vec::new()
            }
            2 => spread(&mut random, length, 5, |random| process(random, processes)),
            3 => {
                let mut faults = spread(&mut random, length, 6, connection);
                // So long that connections are given up, and writes find none.
                let outage = Duration::from_millis(400 + random.below(900));
                faults.push((within(&mut random, length, 10, 60), Fault::PauseServer(outage)));
                faults
            }
            // Nothing else: a connection that is closed would tell who is cut off. For longer than a local level may live
            // without a word, at times, so the run is longer, too.
            4 => {
                length = length * 7 / 4;
                (processes, readers) = (3, 2);
                // So few writes that what one of them leaves behind is there for long.
                (load.writes, load.leaves) = (load.writes.min(20), 5);
                (load.ttl, load.local) = (60_000, load.local.max(2_000));
                let process = random.below(processes);
                let begin = within(&mut random, length, 8, 16);
                let end = if random.percent(60) { length } else { within(&mut random, length, 25, 60) };
                vec![(begin, Fault::Partition(process)), (end, Fault::Heal(process))]
            }
            _ => {
                let mut faults = spread(&mut random, length, 6, |random| match random.below(3) {
                    0 => process(random, processes),
                    _ => connection(random),
                });
                // What is written in between is not in the snapshot that comes back.
                let pause = *random.pick(&[Duration::ZERO, Duration::from_millis(150)]);
                faults.push((within(&mut random, length, 5, 45), Fault::Save));
                faults.push((within(&mut random, length, 50, 75), Fault::RestartServer(pause)));
                faults
            }
        };
        faults.sort_by_key(|(at, _)| *at);
        Self { seed, processes, load, readers, length, jitter, faults }
    }

    /// Whether something stands between the processes and the server.
    #[must_use]
    pub fn is_in_between(&self) -> bool {
        let parts = |fault: &Fault| matches!(fault, Fault::Partition(_));
        !self.jitter.is_zero() || self.faults.iter().any(|(_, fault)| parts(fault))
    }

    /// What the process at this place does.
    #[must_use]
    pub fn load_of(&self, place: u64) -> Load {
        if place < self.processes - self.readers {
            return self.load;
        }
        Load { writes: 0, held: 90, ..self.load }
    }

    /// The seed itself, or a near one whose plan has the faults of the given run in a row of runs. A row begins without
    /// faults; the others come in an order of its own, so that short rows, too, see all of them in the end.
    #[must_use]
    pub fn seed_for(seed: u64, row: u64, run: u64) -> u64 {
        let profile = match run % PROFILES {
            place @ (0 | 1) => place,
            place => 2 + (row % PROFILES + place) % (PROFILES - 2),
        };
        let channel = (row / PROFILES + run + run / PROFILES) % 2;
        seed - seed % ROUND + profile + PROFILES * channel
    }
}

/// A time between these percents of a run.
fn within(random: &mut Random, length: Duration, from: u64, to: u64) -> Duration {
    let percent = u32::try_from(from + random.below(to - from)).unwrap_or(100);
    length * percent / 100
}

/// At random times.
fn spread(
    random: &mut Random,
    length: Duration,
    count: u64,
    mut fault: impl FnMut(&mut Random) -> Fault,
) -> Vec<(Duration, Fault)> {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    (0..count).map(|_| (Duration::from_millis(random.below(millis)), fault(random))).collect()
}

fn process(random: &mut Random, processes: u64) -> Fault {
    let process = random.below(processes);
    match random.below(3) {
        0 => Fault::PauseProcess(process, Duration::from_millis(50 + random.below(500))),
        // Longer than a lease lives.
        1 if random.percent(20) => Fault::PauseProcess(process, Duration::from_millis(3_300)),
        _ => Fault::KillProcess(process),
    }
}

fn kill(random: &mut Random) -> Fault {
    match random.below(4) {
        0 => Fault::KillClients,
        1 => Fault::KillTracked,
        2 => Fault::KillListeners,
        _ => Fault::KillLane(random.next() >> 32),
    }
}

fn connection(random: &mut Random) -> Fault {
    match random.below(7) {
        0 => Fault::Flush,
        1 => Fault::FlushScripts,
        2..6 => kill(random),
        _ => Fault::PauseServer(Duration::from_millis(30 + random.below(400))),
    }
}

impl Load {
    /// As words of a command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let Self {
            keys,
            tasks,
            budget,
            ttl,
            fading,
            lease,
            pause,
            writes,
            leaves,
            held,
            local,
            channel,
            fencing,
        } = *self;
        let (channel, fencing) = (u64::from(channel), u64::from(fencing));
        [keys, tasks, budget, ttl, fading, lease, pause, writes, leaves, held, local, channel, fencing]
            .map(|word| word.to_string())
            .into()
    }

    /// From these words.
    #[must_use]
    pub fn parse(words: &[String]) -> Option<Self> {
        let numbers: Option<Vec<u64>> = words.iter().map(|word| word.parse().ok()).collect();
        let [keys, tasks, budget, ttl, fading, lease, pause, writes, leaves, held, local, channel, fencing] =
            *numbers?
        else {
            return None;
        };
        let (channel, fencing) = (channel == 1, fencing == 1);
        Some(Self {
            keys,
            tasks,
            budget,
            ttl,
            fading,
            lease,
            pause,
            writes,
            leaves,
            held,
            local,
            channel,
            fencing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(5);

    #[test]
    fn a_seed_always_makes_the_same_plan() {
        for seed in 0..50 {
            let plan = Plan::of(seed, LENGTH);
            assert_eq!(plan, Plan::of(seed, LENGTH));
            assert_eq!(Load::parse(&plan.load.words()), Some(plan.load));
            assert!(plan.faults.is_sorted_by_key(|(at, _)| *at));
        }
    }

    #[test]
    fn who_only_reads_is_told_so() {
        let plan = (0..ROUND).map(|seed| Plan::of(seed, LENGTH)).find(|plan| plan.readers == 2).unwrap();
        let writes = [0, 1, 2].map(|place| plan.load_of(place).writes);
        assert_eq!((writes, plan.processes), ([plan.load.writes, 0, 0], 3));
    }

    #[test]
    fn some_seeds_see_every_fault() {
        let faults: Vec<_> = (0..200).flat_map(|seed| Plan::of(seed, LENGTH).faults).collect();
        let kinds = |kind: fn(&Fault) -> bool| faults.iter().filter(|(_, fault)| kind(fault)).count();
        let counts = [
            kinds(|fault| matches!(fault, Fault::Flush)),
            kinds(|fault| matches!(fault, Fault::FlushScripts)),
            kinds(|fault| matches!(fault, Fault::KillClients)),
            kinds(|fault| matches!(fault, Fault::KillTracked)),
            kinds(|fault| matches!(fault, Fault::KillListeners)),
            kinds(|fault| matches!(fault, Fault::KillLane(_))),
            kinds(|fault| matches!(fault, Fault::Save)),
            kinds(|fault| matches!(fault, Fault::PauseServer(_))),
            kinds(|fault| matches!(fault, Fault::RestartServer(_))),
            kinds(|fault| matches!(fault, Fault::KillProcess(_))),
            kinds(|fault| matches!(fault, Fault::PauseProcess(..))),
            kinds(|fault| matches!(fault, Fault::Partition(_))),
        ];
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
        for row in 0..50 {
            let plan = |run| Plan::of(Plan::seed_for(77, row, run), LENGTH);
            let plans: Vec<_> = (0..ROUND).map(plan).collect();
            assert!(plans[0].faults.is_empty() && !plans[3].faults.is_empty());
            let mut profiles: Vec<_> =
                plans.iter().map(|plan| (plan.seed % PROFILES, plan.load.channel)).collect();
            profiles.sort_unstable();
            profiles.dedup();
            assert_eq!(profiles.len(), 12, "{profiles:?}");
            assert_ne!(plans[0].load.channel, plans[1].load.channel);
        }
    }
}
