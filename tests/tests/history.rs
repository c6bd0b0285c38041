//! Histories of real processes on a real Redis, with SQLite as the truth; see `cache_tests::history`.
//!
//! The whole takes `CACHE_HISTORY_SECONDS` (30; `cargo xtask soak` asks for more). A run that fails prints its seed, and `CACHE_HISTORY_SEED` runs that
//! plan again and again: the same calls and faults, though no system schedules processes twice in the same way.
#![expect(clippy::unwrap_used, reason = "these are tests, also where they are not marked as such")]
#![expect(clippy::disallowed_methods, reason = "a real Redis and real processes keep real time")]

use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cache_runtime::testing::server::RedisServer;
use cache_tests::history::{
    check::{Happened, History, Process, Reason, Silenced, Statistics, Violation, check},
    event::{self, Time, now},
    plan::{Fault, Load, Plan},
    random::Random,
    trace::tell,
    truth::Truth,
};
use rustix::process::{Pid, Signal, kill_process};

use proxy::Proxy;

#[expect(dead_code, reason = "the other tests ask more of it")]
#[path = "it/proxy.rs"]
mod proxy;

/// How long one run calls, or a little longer.
const RUN: Duration = Duration::from_secs(4);

/// After that a call that has not returned hangs: far more than any of its deadlines.
const PATIENCE: Duration = Duration::from_secs(60);

static SERVER: LazyLock<Mutex<RedisServer>> =
    LazyLock::new(|| Mutex::new(RedisServer::builder().tcp().start()));

/// One run at a time: the machine is small enough without another.
fn server() -> MutexGuard<'static, RedisServer> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, which is not a number")))
}

/// The whole time of both tests.
fn seconds() -> u64 {
    variable("CACHE_HISTORY_SECONDS").unwrap_or(30)
}

/// The database numbers what it is given with a sign, and the processes add theirs.
fn random_seed() -> u64 {
    RandomState::new().hash_one("seed") >> 32
}

/// The start of a server is known in whole seconds, and what was written before is void.
fn wait_until_its_start_is_past(server: &RedisServer) {
    let uptime = || {
        let info = server.cli(&["INFO", "server"]);
        let line = info.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:").map(str::to_owned));
        line.and_then(|uptime| uptime.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    while uptime() < 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run that is under way.
struct Run<'a> {
    plan: &'a Plan,
    server: &'a RedisServer,
    folder: &'a Path,
    /// Those of now, by their places in the plan.
    living: Vec<Worker>,
    over: Vec<Process>,
    faults: Vec<Happened>,
    started: u64,
    /// Where the plan wants something in between: the way of each place to the server.
    proxies: Vec<Proxy>,
    /// Who is cut off since when, by its place.
    parted: Vec<(usize, Happened)>,
}

/// A process; killed where nobody waits for its end.
struct Worker {
    number: u64,
    child: Child,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn events(&self, folder: &Path) -> Vec<event::Event> {
        let path = folder.join(format!("{}.events", self.number));
        // One that was killed right away has no file yet.
        if path.exists() { event::read(&path).unwrap() } else { Vec::new() }
    }
}

impl Run<'_> {
    fn spawn(&mut self, place: usize) -> Worker {
        self.started += 1;
        let url = self.proxies.get(place).map_or_else(|| self.server.url(), Proxy::url);
        let child = Command::new(env!("CARGO_BIN_EXE_history"))
            .arg(self.folder)
            .args([self.started, self.plan.seed].map(|number| number.to_string()))
            .arg(url)
            .args(self.plan.load_of(place.try_into().unwrap()).words())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Worker { number: self.started, child }
    }

    fn happens(&mut self, fault: Fault) {
        let start = now();
        let mut silences = Silenced::Nobody;
        match fault {
            Fault::Flush => drop(self.server.cli(&["FLUSHALL"])),
            Fault::FlushScripts => drop(self.server.cli(&["SCRIPT", "FLUSH"])),
            Fault::KillClients => drop(self.server.cli(&["CLIENT", "KILL", "TYPE", "normal"])),
            Fault::KillTracked => {
                self.clients(|flags| flags.contains('t')).iter().for_each(|id| self.kill_client(id));
            }
            Fault::KillListeners => drop(self.server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"])),
            Fault::KillLane(number) => {
                let lanes = self.clients(|flags| flags == "N");
                let lane = lanes.get(usize::try_from(number).unwrap() % lanes.len().max(1));
                lane.iter().for_each(|id| self.kill_client(id));
            }
            Fault::Save => drop(self.server.cli(&["SAVE"])),
            Fault::PauseServer(length) => {
                silences = Silenced::Everybody;
                self.server.pause();
                std::thread::sleep(length);
                self.server.resume();
            }
            Fault::RestartServer(pause) => {
                self.server.kill();
                std::thread::sleep(pause);
                self.server.restart();
            }
            Fault::KillProcess(place) => {
                let place = usize::try_from(place).unwrap();
                let next = self.spawn(place);
                let worker = std::mem::replace(&mut self.living[place], next);
                self.kill(worker, false);
            }
            Fault::PauseProcess(place, length) => {
                let worker = &self.living[usize::try_from(place).unwrap()];
                silences = Silenced::Process(worker.number);
                worker.signal(Signal::STOP);
                std::thread::sleep(length);
                worker.signal(Signal::CONT);
            }
            Fault::Partition(place) => return self.part(usize::try_from(place).unwrap()),
            Fault::Heal(place) => return self.heal(usize::try_from(place).unwrap()),
        }
        let destructive = matches!(fault, Fault::Flush | Fault::RestartServer(_));
        let what = format!("{fault:?}");
        self.faults.push(Happened { start, end: now(), what, destructive, silences });
    }

    fn part(&mut self, place: usize) {
        let number = self.living[place].number;
        let (what, silences) = (format!("Partition of process {number}"), Silenced::Process(number));
        let (start, end, destructive) = (now(), Time::MAX, false);
        self.proxies[place].swallow(true);
        self.parted.push((place, Happened { start, end, what, destructive, silences }));
    }

    fn heal(&mut self, place: usize) {
        self.proxies[place].swallow(false);
        for (_, fault) in self.parted.extract_if(.., |(parted, _)| *parted == place) {
            self.faults.push(Happened { end: now(), ..fault });
        }
    }

    /// The connections with such flags.
    fn clients(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let list = self.server.cli(&["CLIENT", "LIST"]);
        let field = |line: &str, name: &str| {
            line.split(' ').find_map(|word| word.strip_prefix(name).map(str::to_owned)).unwrap_or_default()
        };
        let lines = list.lines().filter(|line| wanted(&field(line, "flags=")));
        lines.map(|line| field(line, "id=")).collect()
    }

    fn kill_client(&self, id: &str) {
        // It may have gone meanwhile.
        drop(self.server.cli(&["CLIENT", "KILL", "ID", id]));
    }

    fn kill(&mut self, mut worker: Worker, hung: bool) {
        assert_eq!(worker.child.try_wait().unwrap(), None, "process {} has ended by itself", worker.number);
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
        let events = worker.events(self.folder);
        self.over.push(Process { number: worker.number, events, killed: Some(now()), hung });
    }

    /// Asks all processes to end, and waits for them.
    fn finish(&mut self) {
        (0..self.proxies.len()).for_each(|place| self.heal(place));
        for worker in &mut self.living {
            worker.child.stdin = None;
        }
        let deadline = Instant::now() + PATIENCE;
        for mut worker in std::mem::take(&mut self.living) {
            let status = loop {
                match worker.child.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if Instant::now() > deadline => break None,
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            match status {
                Some(status) => {
                    assert!(status.success(), "process {} has failed: {status}", worker.number);
                    let events = worker.events(self.folder);
                    self.over.push(Process { number: worker.number, events, killed: None, hung: false });
                }
                None => self.kill(worker, true),
            }
        }
    }
}

/// Runs a plan and returns what happened.
fn run(plan: &Plan, server: &RedisServer, folder: &Path) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let truth = runtime.block_on(Truth::create(&folder.join("truth"), plan.load.keys)).unwrap();
    wait_until_its_start_is_past(server);
    let (living, over, faults) = (Vec::new(), Vec::new(), Vec::new());
    let places = 0..usize::try_from(plan.processes).unwrap();
    let proxies = if plan.is_in_between() {
        places.clone().map(|_| Proxy::start(server)).collect()
    } else {
        Vec::new()
    };
    proxies.iter().for_each(|proxy: &Proxy| proxy.jitter(plan.jitter));
    let mut run = Run { plan, server, folder, living, over, faults, started: 0, proxies, parted: Vec::new() };
    run.living = places.map(|place| run.spawn(place)).collect();
    let started = Instant::now();
    for (at, fault) in &plan.faults {
        std::thread::sleep(at.saturating_sub(started.elapsed()));
        run.happens(*fault);
    }
    std::thread::sleep(plan.length.saturating_sub(started.elapsed()));
    run.finish();
    let versions = runtime.block_on(truth.versions()).unwrap();
    runtime.block_on(truth.close());
    let Load { keys, lease, local, .. } = plan.load;
    let (lease, local) = (lease * 1_000_000, local * 1_000_000);
    History { processes: run.over, faults: run.faults, versions, keys, lease, local }
}

/// Runs a plan, and checks the history that it makes.
fn judge(plan: &Plan, server: &RedisServer) -> (History, Vec<Violation>, Statistics) {
    let folder = tempfile::Builder::new().prefix("history-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let history = run(plan, server, folder.path());
    let (violations, statistics) = check(&history);
    eprintln!(
        "seed {}: {} processes, {} faults, {} reads ({} hits), {} versions, judged {:?}, {} served past their TTL, {} loads of \
         those failed, {} violations\n    {}, local for {} ms, {} local hits, {}",
        plan.seed,
        history.processes.len(),
        history.faults.len(),
        statistics.reads,
        statistics.hits,
        statistics.versions,
        statistics.judged,
        statistics.stale,
        statistics.failed,
        violations.len(),
        if plan.load.channel { "channel" } else { "tracking" },
        plan.load.local,
        statistics.local,
        lags(&statistics),
    );
    if plan.load.fencing && !violations.is_empty() {
        eprintln!("what the processes noted is kept in {}", folder.keep().display());
    }
    (history, violations, statistics)
}

/// How old what local levels served was.
fn lags(statistics: &Statistics) -> String {
    let Statistics { held, lags, .. } = statistics;
    let [middle, most, longest] = [50, 99, 100].map(|percent| statistics.lag(percent));
    format!(
        "{} of {held} reads of functions with a local level were older than a write elsewhere, by {middle:.1?} (p50), {most:.1?} (p99), \
         {longest:.1?} at most",
        lags.len(),
    )
}

/// Maximum number of runs that are made for the sake of what is rare.
const MOST_RUNS: u64 = 16;

#[test]
fn no_read_is_older_than_a_write_before_it() {
    let server = server();
    // The rest is for the other test, and for the start of the server.
    let deadline = Instant::now() + Duration::from_secs(seconds() * 5 / 6);
    let given = variable("CACHE_HISTORY_SEED");
    let first = given.unwrap_or_else(random_seed);
    let mut seeds = Random::new(first);
    let mut sum = Statistics::default();
    let mut runs = 0;
    loop {
        let seed = given.unwrap_or_else(|| Plan::seed_for(seeds.next() >> 32, first, runs));
        let plan = Plan::of(seed, RUN);
        // Writes whose callers leave are few: until a read was judged by one, the runs go on a little longer.
        let goes_on = given.is_none() && runs < MOST_RUNS && sum.judged_by(Reason::Left) == 0;
        if runs > 0 && Instant::now() + plan.length > deadline && !goes_on {
            break;
        }
        let (history, violations, statistics) = judge(&plan, &server);
        if let Some(violation) = violations.first() {
            panic!(
                "{} violations, the first of them:\n{}\nthe plan: {plan:?}\nto run it again:\n    \
                 CACHE_HISTORY_SEED={seed} cargo test -p cache-tests --test history\n\
                 or, for as long as asked,\n    cargo xtask soak --seconds 300 --seed {seed}",
                violations.len(),
                tell(&history, violation),
            );
        }
        sum = sum.and(statistics);
        runs += 1;
    }
    eprintln!("in all runs {}", lags(&sum));
    if given.is_some() {
        // One plan alone need not show everything.
        return;
    }
    // A cache that is never asked, or never answers, is never wrong.
    assert!(sum.reads > 1_000 && sum.hits > 300 && sum.versions > 100, "{sum:?}");
    assert!(sum.local > 50 && sum.held > 300, "nothing is held in a process: {sum:?}");
    assert!(sum.stale > 0 && sum.failed > 10, "feed is never served past its TTL: {sum:?}");
    let reasons = [
        Reason::Returned,
        Reason::OwnWrite,
        Reason::Left,
        Reason::Committed,
        Reason::Strict,
        Reason::Settled,
    ];
    for reason in reasons {
        assert!(sum.judged_by(reason) > 0, "no read was judged by {reason:?}: {sum:?}");
    }
    // A few runs may have no key that others write and this process holds.
    assert!(runs < 10 || sum.judged_by(Reason::Heard) > 0, "{sum:?}");
}

#[test]
fn without_fencing_the_same_calls_read_stale_values() {
    let server = server();
    let deadline = Instant::now() + Duration::from_secs(seconds()).max(PATIENCE);
    let mut seeds = Random::new(variable("CACHE_HISTORY_SEED").unwrap_or_else(random_seed));
    loop {
        let seed = seeds.next() >> 32;
        let mut plan = Plan::of(Plan::seed_for(seed, seed, 0), Duration::from_millis(1_500));
        plan.load.fencing = false;
        let (history, violations, _) = judge(&plan, &server);
        // Not only a fence that is missing, but the race that every reader would notice.
        let stale = violations
            .iter()
            .find(|violation| matches!(violation, Violation::Stale { reason: Reason::Returned, .. }));
        if let Some(violation) = stale {
            eprintln!("{} violations, one of them:\n{}", violations.len(), tell(&history, violation));
            return;
        }
        assert!(Instant::now() < deadline, "stale reads are not noticed, so nothing was shown");
    }
}
