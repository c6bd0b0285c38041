//! The night when Redis misbehaves, in each way that we know: every call returns what its body returns, and soon; no
//! older value than was written; and when it is over the cache is in use again, with nothing left behind.
//!
//! `connection`: the way to the server. `server`: the server itself goes, hangs, comes back. `refusal`: it answers, with
//! errors. `disturbance`: it works, and somebody interferes all the time.

mod connection;
mod disturbance;
mod load;
mod refusal;
mod server;

use std::{
    sync::{Mutex, Once, PoisonError, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_runtime::{Cache, HealthState, cached, testing::server::RedisServer};
use tokio::{
    runtime::{Builder, Handle},
    time::sleep,
};

use self::load::{Database, Load};
use crate::support::eventually;

/// The promises are of machines that are not busy; where time is measured, they may take three times as long.
const MARGIN: u32 = 3;
/// What a call may wait for Redis before its body, and again after it.
const BUDGET: Duration = Duration::from_millis(100);
/// A call with the breaker open.
const NO_WAIT: Duration = Duration::from_millis(1);
/// Until the cache is in use again.
const BACK: Duration = Duration::from_secs(3);
/// How long a key may wait for a call that has given up.
const LEASE: Duration = Duration::from_secs(3);
const LANES: usize = 2;

/// What calls notice of a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    /// The breaker opens, and nobody waits any more.
    Breaks,
    /// Bodies run; each call asks Redis again.
    Hinders,
    /// Nothing: the cache is in use.
    Nothing,
}

/// One row of the matrix.
struct Fault<'a> {
    name: &'static str,
    /// Where the cache is when it is over.
    server: &'a RedisServer,
    /// Where it is before, if that is another.
    lanes_at: Option<&'a RedisServer>,
    url: String,
    effect: Effect,
    from_the_start: bool,
    database: Database,
    callers: usize,
    /// The load in the background leaves the rows alone.
    reads_only: bool,
    /// Half of the callers are another process, as far as one can tell by its cache.
    two_processes: bool,
    builder: fn(cache_runtime::CacheBuilder) -> cache_runtime::CacheBuilder,
}

impl<'a> Fault<'a> {
    fn new(name: &'static str, effect: Effect, server: &'a RedisServer) -> Self {
        Self {
            name,
            server,
            lanes_at: None,
            url: server.url(),
            effect,
            from_the_start: false,
            database: Database::new(16, 0),
            callers: 4,
            reads_only: false,
            two_processes: false,
            // The two seconds of a server's start are the subject of one test, and not of these.
            builder: |builder| builder.trust_snapshots(true),
        }
    }

    /// The whole of it: the cache is in use, `begin`, calls, `end`, the cache is in use again, all is as it was before.
    fn check(self, begin: impl FnOnce(), end: impl FnOnce()) {
        watch_for_panics();
        let thread = format!("fault: {}", self.name);
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name(&thread).enable_all().build();
        runtime.unwrap().block_on(self.run(begin, end));
        let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let panics: Vec<_> = panics.into_iter().filter(|(of, _)| *of == thread).collect();
        assert!(panics.is_empty(), "{panics:?}");
    }

    async fn run(self, begin: impl FnOnce(), end: impl FnOnce()) {
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let idle = tasks();
        let cache = self.cache();
        let other = if self.two_processes { self.cache() } else { cache.clone() };
        let lanes = if self.two_processes { 2 * LANES } else { LANES };
        if !self.from_the_start {
            eventually("the cache is in use", async || is_in_use(&cache).await && is_in_use(&other).await)
                .await;
            eventually("all lanes are up", async || clients(self.lanes_at.unwrap_or(self.server)) == lanes)
                .await;
        }
        let load = Load::start(&self.database, &[&cache, &other], self.callers, !self.reads_only);

        begin();
        let before = load.calls();
        self.calls_succeed(&cache).await;
        match self.effect {
            Effect::Breaks => self.breaker_opens(&cache).await,
            Effect::Hinders => {}
            Effect::Nothing => eventually("it is in use", async || is_in_use(&cache).await).await,
        }
        eventually("many have called", async || load.calls() > before + 50).await;
        // Before the body and after it.
        let slowest = load.slowest();
        assert!(slowest < 2 * MARGIN * BUDGET, "{}: a call took {slowest:?}", self.name);

        end();
        let over = Instant::now();
        eventually("the cache is in use again", async || is_in_use(&cache).await && is_in_use(&other).await)
            .await;
        assert!(over.elapsed() < MARGIN * BACK, "{}: in use after {:?}", self.name, over.elapsed());
        let slowest = load.stop().await;
        assert!(slowest < MARGIN * (LEASE + 2 * BUDGET), "{}: a call took {slowest:?}", self.name);
        let queues = || cache.health().recovery_queue + other.health().recovery_queue;
        eventually("the invalidations are made good", async || queues() == 0).await;

        // Somebody who was not there finds no old value either.
        let late = self.cache();
        late.scope(self.database.is_what_everybody_reads()).await;
        drop(late);
        cache.scope(self.database.is_what_everybody_reads()).await;

        // Each cache may have one more, which the server tells of changes.
        let few = lanes..=lanes + 2;
        eventually("every lane is one connection", async || few.contains(&clients(self.server))).await;
        assert!(cache.shutdown(BACK).await && other.shutdown(BACK).await);
        drop((cache, other));
        eventually("no connection is left", async || clients(self.server) == 0).await;
        eventually("no task is left", async || tasks() == idle).await;
    }

    fn cache(&self) -> Cache {
        let builder = Cache::builder().redis(&self.url).unwrap().lanes(LANES);
        (self.builder)(builder).build().unwrap()
    }

    /// The first calls may wait, each for its budgets.
    async fn calls_succeed(&self, cache: &Cache) {
        let database = &self.database;
        let calls = async {
            for id in 0..4 {
                let started = Instant::now();
                database.check_read(id).await;
                self.took_two_budgets("a read", started);
                let started = Instant::now();
                database.check_write(id).await;
                self.took_two_budgets("a write", started);
                database.check_read(id).await;
                let started = Instant::now();
                database.check_change(id).await;
                self.took_two_budgets("an invalidation", started);
                database.check_read(id).await;
                database.check_sum().await;
            }
        };
        cache.scope(calls).await;
    }

    fn took_two_budgets(&self, what: &str, started: Instant) {
        let took = started.elapsed();
        assert!(took < 2 * MARGIN * BUDGET, "{}: {what} took {took:?}", self.name);
    }

    async fn breaker_opens(&self, cache: &Cache) {
        const CALLS: u32 = 300;
        eventually("it is noticed", async || cache.health().state == HealthState::Disconnected).await;
        let calls = async {
            let runs = self.database.runs.load(SeqCst);
            let started = Instant::now();
            for _ in 0..CALLS {
                self.database.check_read(0).await;
            }
            let each = started.elapsed() / CALLS;
            assert!(each < MARGIN * NO_WAIT, "{}: {each:?} for each call", self.name);
            assert!(self.database.runs.load(SeqCst) >= runs + u64::from(CALLS), "each ran its body");
            self.database.check_write(0).await;
            self.database.check_change(1).await;
        };
        cache.scope(calls).await;
        // As long as it lasts: the next attempts to connect bring nothing.
        sleep(Duration::from_millis(400)).await;
        let health = cache.health();
        assert_eq!(health.state, HealthState::Disconnected, "{}: {health}", self.name);
        assert!(health.trouble.is_some(), "{}: {health}", self.name);
    }
}

/// Whether a value is dropped, loaded, stored and found.
async fn is_in_use(cache: &Cache) -> bool {
    #[cached(ttl = "STANDARD", key = "probe")]
    async fn probe() -> u64 {
        1
    }
    let round = async {
        probe::entry().invalidate().await;
        probe().await;
        probe::entry().peek().await.is_some()
    };
    cache.scope(round).await
}

/// How many connections the server has that are neither the kit's nor of another server.
fn clients(server: &RedisServer) -> usize {
    let own = format!("id={} ", server.cli(&["CLIENT", "ID"]));
    let clients = server.cli(&["CLIENT", "LIST"]);
    // A master and a replica see each other as clients, too; and a connection that is told of changes is no lane.
    let other = [" flags=M", " flags=S", " flags=t"];
    let is_other = |line: &str| other.iter().any(|flags| line.contains(flags));
    clients.lines().filter(|line| !line.starts_with(&own) && !is_other(line)).count()
}

/// Thread and message.
static PANICS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// A panic in a task that nobody waits for goes unnoticed otherwise.
fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push((thread, panic.to_string()));
            before(panic);
        }));
    });
}
