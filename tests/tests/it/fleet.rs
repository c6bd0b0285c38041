//! One load in a fleet of real processes, whatever becomes of the body, its caller or its process.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_runtime::cached;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    support::{SERVER, namespace, redis_builder},
    worker::Worker,
};

/// Processes with the same body.
struct Fleet {
    namespace: String,
    workers: Vec<Worker>,
}

/// How the calls of a process ended.
struct Ended {
    outcomes: BTreeMap<String, usize>,
    first: Duration,
    last: Duration,
}

impl Fleet {
    /// `does`: what the body does (see `src/bin/fleet.rs`), beside taking `time`.
    fn start(workers: usize, does: &str, time: Duration) -> Self {
        Self::with(workers, does, time, &[])
    }

    fn with(workers: usize, does: &str, time: Duration, variables: &[(&str, &str)]) -> Self {
        let namespace = namespace();
        let arguments = [does, &time.as_millis().to_string()];
        let start = || Worker::start(env!("CARGO_BIN_EXE_fleet"), &namespace, &arguments, variables);
        let workers = (0..workers).map(|_| start()).collect();
        Self { namespace, workers }
    }

    /// Lets every process call the function 500 times at once.
    fn all_call(&mut self, function: &str) -> Vec<Ended> {
        for worker in &mut self.workers {
            worker.tell(&format!("call {function} 500"));
        }
        self.workers.iter_mut().map(|worker| ended(worker, 500)).collect()
    }

    /// One call in the first process, whose body has begun.
    fn one_leads(&mut self, function: &str) {
        self.workers[0].tell(&format!("call {function} 1"));
        assert_eq!(self.workers[0].next("begun"), "1");
    }

    fn runs(&self) -> u64 {
        SERVER.command(&["GET", &format!("{}-runs", self.namespace)])
    }
}

/// What came of so many calls.
fn ended(worker: &mut Worker, calls: usize) -> Ended {
    let mut ended = Ended { outcomes: BTreeMap::new(), first: Duration::MAX, last: Duration::ZERO };
    for _ in 0..calls {
        let line = worker.next("ended");
        let (time, outcome) = line.split_once(' ').unwrap();
        let time = Duration::from_millis(time.parse().unwrap());
        (ended.first, ended.last) = (ended.first.min(time), ended.last.max(time));
        *ended.outcomes.entry(outcome.to_owned()).or_default() += 1;
    }
    ended
}

fn all<const N: usize>(outcomes: [(&str, usize); N]) -> BTreeMap<String, usize> {
    outcomes.into_iter().map(|(outcome, calls)| (outcome.to_owned(), calls)).collect()
}

/// Long enough that a slow machine does not make two of it look like three.
const BODY: Duration = Duration::from_secs(2);

#[test]
fn two_processes_with_500_callers_each_run_one_body() {
    let mut fleet = Fleet::start(2, "returns", Duration::from_millis(300));
    for ended in fleet.all_call("value") {
        assert_eq!(ended.outcomes, all([("ok 1", 500)]));
    }
    assert_eq!(fleet.runs(), 1);
}

#[test]
fn an_error_that_can_be_cloned_reaches_500_callers_within_two_bodies() {
    let mut fleet = Fleet::start(1, "fails", BODY);
    let ended = fleet.all_call("cloned").remove(0);
    assert_eq!(ended.outcomes.values().sum::<usize>(), 500);
    assert!(ended.outcomes.keys().all(|outcome| outcome.starts_with("failed run ")), "{:?}", ended.outcomes);
    assert!(fleet.runs() <= 2, "{} runs", fleet.runs());
    assert!(ended.last < 3 * BODY - Duration::from_millis(100), "{:?}", ended.last);
}

#[test]
fn an_error_that_can_be_cloned_costs_two_runs_in_each_process() {
    let mut fleet = Fleet::start(2, "fails", Duration::from_millis(300));
    for ended in fleet.all_call("cloned") {
        assert!(
            ended.outcomes.keys().all(|outcome| outcome.starts_with("failed run ")),
            "{:?}",
            ended.outcomes
        );
    }
    assert!(fleet.runs() <= 4, "{} runs", fleet.runs());
}

/// An error of which there is one only is that of a run of one's own.
#[test]
fn an_error_that_cannot_be_cloned_is_everybodys_own() {
    let mut fleet = Fleet::start(2, "fails", Duration::from_millis(100));
    for ended in fleet.all_call("unique") {
        assert_eq!(ended.outcomes.len(), 500, "{:?}", ended.outcomes);
        assert!(ended.outcomes.keys().all(|outcome| outcome.starts_with("failed run ")));
        // One after another they would take fifty seconds.
        assert!(ended.last < Duration::from_secs(15), "{:?}", ended.last);
    }
    assert_eq!(fleet.runs(), 1_000);
}

/// Its load goes on.
#[test]
fn a_leading_caller_that_is_aborted_costs_nothing() {
    let mut fleet = Fleet::start(2, "sleeps", Duration::from_millis(1_500));
    fleet.one_leads("value");
    fleet.workers[0].tell("call value 499");
    fleet.workers[1].tell("call value 500");
    std::thread::sleep(Duration::from_millis(300));
    fleet.workers[0].tell("abort-first");
    for (worker, aborted) in fleet.workers.iter_mut().zip([1, 0]) {
        let mut outcomes = ended(worker, 500).outcomes;
        assert_eq!(outcomes.remove("aborted").unwrap_or(0), aborted);
        assert_eq!(outcomes.keys().collect::<Vec<_>>(), ["ok 1"]);
    }
    assert_eq!(fleet.runs(), 1);
}

/// Where a load ends with its caller, a call waits for one load of another process; when the next one is under way
/// already it loads by itself.
#[test]
fn a_leading_caller_that_is_aborted_costs_each_process_one_more_run_at_most() {
    let mut fleet = Fleet::start(2, "first-hangs", Duration::from_millis(300));
    fleet.one_leads("attached");
    fleet.workers[0].tell("call attached 499");
    fleet.workers[1].tell("call attached 500");
    // So that the others wait by then, here and there; where they do not yet, they come to the same.
    std::thread::sleep(Duration::from_millis(300));
    fleet.workers[0].tell("abort-first");
    for (worker, aborted) in fleet.workers.iter_mut().zip([1, 0]) {
        let mut outcomes = ended(worker, 500).outcomes;
        assert_eq!(outcomes.remove("aborted").unwrap_or(0), aborted);
        assert!(outcomes.keys().all(|outcome| outcome.starts_with("ok ")), "{outcomes:?}");
    }
    assert!(fleet.runs() <= 3, "{} runs", fleet.runs());
}

#[test]
fn a_body_that_panics_costs_each_process_one_more_run_at_most() {
    let mut fleet = Fleet::start(2, "first-panics", Duration::from_millis(300));
    let mut panicked = 0;
    for mut ended in fleet.all_call("value") {
        panicked += ended.outcomes.remove("panicked").unwrap_or(0);
        assert!(ended.outcomes.keys().all(|outcome| outcome.starts_with("ok ")), "{:?}", ended.outcomes);
    }
    assert_eq!(panicked, 1, "of all callers only the one whose call it was");
    assert!(fleet.runs() <= 3, "{} runs", fleet.runs());
}

/// Its lease of 3 s ends by itself.
#[test]
fn the_others_go_on_when_the_process_with_the_lease_is_killed() {
    let mut fleet = Fleet::start(2, "first-hangs", Duration::from_millis(100));
    fleet.one_leads("value");
    fleet.workers[1].tell("call value 500");
    std::thread::sleep(Duration::from_millis(500));
    fleet.workers[0].kill();
    let killed = Instant::now();
    assert_eq!(ended(&mut fleet.workers[1], 500).outcomes, all([("ok 2", 500)]));
    assert!(killed.elapsed() < 3 * Duration::from_secs(3), "{:?}", killed.elapsed());
    assert_eq!(fleet.runs(), 2);
}

#[test]
fn a_body_of_ten_seconds_runs_once() {
    let mut fleet = Fleet::start(2, "returns", Duration::from_secs(10));
    for ended in fleet.all_call("value") {
        assert_eq!(ended.outcomes, all([("ok 1", 500)]));
    }
    assert_eq!(fleet.runs(), 1, "the lease is renewed");
}

#[test]
fn a_body_that_hangs_is_waited_for_as_long_as_load_timeout_says() {
    let timeout = Duration::from_secs(1);
    let mut fleet = Fleet::with(2, "first-hangs", Duration::from_millis(10), &[("LOAD_TIMEOUT_MS", "1000")]);
    fleet.one_leads("value");
    for worker in &mut fleet.workers {
        worker.tell("call value 100");
    }
    for worker in &mut fleet.workers {
        let ended = ended(worker, 100);
        assert!(ended.outcomes.keys().all(|outcome| outcome.starts_with("ok ")), "{:?}", ended.outcomes);
        assert!(ended.first >= timeout, "somebody did not wait: {:?}", ended.first);
        assert!(ended.last < 3 * timeout, "{:?}", ended.last);
    }
    fleet.workers[0].tell("abort-first");
    assert_eq!(ended(&mut fleet.workers[0], 1).outcomes, all([("aborted", 1)]), "it hung to the end");
}

/// What one finds in many services: a lock in a key of its own, and whoever is done deletes it.
#[derive(Clone)]
struct Naive(redis::aio::MultiplexedConnection);

impl Naive {
    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut cmd = redis::Cmd::new();
        words.iter().for_each(|word| {
            cmd.arg(word);
        });
        cmd.query_async(&mut self.0.clone()).await.unwrap()
    }

    async fn get(&self, key: &str, load: impl Future<Output = u64>) -> u64 {
        let lock = format!("{key}:lock");
        loop {
            if let Some(value) = self.ask::<Option<u64>>(&["GET", key]).await {
                return value;
            }
            if self.ask::<Option<String>>(&["SET", &lock, "1", "NX", "PX", "3000"]).await.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let value = load.await;
        self.ask::<()>(&["SET", key, &value.to_string(), "EX", "300"]).await;
        self.ask::<()>(&["DEL", &lock]).await;
        value
    }
}

/// One load: it reads the row of the database, says so, and returns when it is let go.
struct Load {
    row: Arc<AtomicU64>,
    has_read: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
}

impl Load {
    async fn run(self) -> u64 {
        let version = self.row.load(SeqCst);
        self.has_read.send(()).unwrap();
        self.go.await.unwrap();
        version
    }
}

/// A reader whose load has read the row.
struct Reader {
    task: JoinHandle<u64>,
    go: oneshot::Sender<()>,
}

impl Reader {
    async fn start(row: &Arc<AtomicU64>, get: impl FnOnce(Option<Load>) -> JoinHandle<u64>) -> Self {
        let (has_read, read) = oneshot::channel();
        let (go, gone) = oneshot::channel();
        let task = get(Some(Load { row: Arc::clone(row), has_read, go: gone }));
        read.await.expect("its load begins");
        Self { task, go }
    }

    async fn ends(self) -> u64 {
        self.go.send(()).unwrap();
        self.task.await.unwrap()
    }
}

/// The lock of the first reader ends before his load does, and the second takes it. The first ends; did he unlock what
/// is the second's? Then a write, a third reader who gets the new row, and last the second, who has read the old one.
///
/// Returns whether the second still had the lock, and what a read gets that begins after all of this.
async fn a_lock_ends_under_its_load(
    get: impl Fn(usize, Option<Load>) -> JoinHandle<u64>,
    end_lock: impl AsyncFn(),
    is_locked: impl AsyncFn() -> bool,
    invalidate: impl AsyncFn(),
) -> (bool, u64) {
    let row = Arc::new(AtomicU64::new(1));
    let first = Reader::start(&row, |load| get(0, load)).await;
    end_lock().await;
    let second = Reader::start(&row, |load| get(1, load)).await;
    assert_eq!(first.ends().await, 1);
    let still_locked = is_locked().await;
    row.store(2, SeqCst);
    invalidate().await;
    let third = Reader::start(&row, |load| get(2, load)).await;
    assert_eq!(third.ends().await, 2);
    assert_eq!(second.ends().await, 1, "its call began before the write");
    (still_locked, get(3, None).await.unwrap())
}

/// The defect that this protocol is there for.
#[tokio::test]
async fn a_lock_of_set_nx_and_del_lets_two_load_and_keeps_the_older() {
    let client = redis::Client::open(SERVER.url()).unwrap();
    let naive = Naive(client.get_multiplexed_async_connection().await.unwrap());
    let key = namespace();
    let lock = format!("{key}:lock");
    let get = |_, load: Option<Load>| {
        let (naive, key) = (naive.clone(), key.clone());
        tokio::spawn(async move { naive.get(&key, async { load.expect("a hit").run().await }).await })
    };
    let end_lock = async || naive.ask(&["DEL", &lock]).await;
    let is_locked = async || naive.ask(&["EXISTS", &lock]).await;
    let invalidate = async || naive.ask(&["DEL", &key]).await;
    assert_eq!(a_lock_ends_under_its_load(get, end_lock, is_locked, invalidate).await, (false, 1));
}

#[tokio::test]
async fn a_lease_that_ends_under_its_load_keeps_the_newer() {
    #[cached(ttl = "5m", key = "row", skip = [load])]
    async fn row(load: Option<Load>) -> u64 {
        load.expect("a hit").run().await
    }
    let namespace = namespace();
    // To each other they are what processes are.
    let caches = [(); 4].map(|()| redis_builder().namespace(&namespace).unwrap().build().unwrap());
    let key = caches[0].scope(async { row::entry().key().to_string() }).await;
    let get = |reader: usize, load| {
        let cache = caches[reader].clone();
        tokio::spawn(async move { cache.scope(row(load)).await })
    };
    let end_lock = async || SERVER.command::<()>(&["DEL", &key]);
    // Nobody has stored, so what is there is the lease.
    let is_locked =
        async || SERVER.command(&["EXISTS", &key]) && caches[3].scope(row::entry().peek()).await.is_none();
    let invalidate = async || assert!(caches[3].invalidate("row").await);
    assert_eq!(a_lock_ends_under_its_load(get, end_lock, is_locked, invalidate).await, (true, 2));
}
