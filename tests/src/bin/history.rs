//! One process of a history: calls cached functions at random, and notes when each call began, ended and committed.
//!
//! `history <folder> <number> <seed> <url> <load>..`; it ends when its stdin does.
#![expect(clippy::disallowed_methods, reason = "a process of its own, with a real server and real time")]

use std::{
    collections::HashMap,
    io::Read as _,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cache_runtime::{Cache, Coherence, HealthState, TtlClass, cached, testing};
use cache_tests::history::{
    event::{Event, Function, GROUP, Item, Mode, Outcome, PAGES, Recorder, Time, WriteId, now},
    plan::Load,
    random::Random,
    truth::Truth,
};
use tokio::{sync::RwLock, time::sleep};
use tracing::{Level, Metadata, Subscriber, span};

/// What all tasks of the process share.
struct Worker {
    number: u64,
    load: Load,
    truth: Truth,
    recorder: Recorder,
    cache: Cache,
    /// Held by each call; taken whole to see whether nothing is under way.
    calls: RwLock<()>,
    /// Whether a call returned while an invalidation waited to be repeated.
    owing: AtomicBool,
    /// Commits that are under way, with or without a caller.
    commits: AtomicUsize,
    stop: AtomicBool,
}

/// The body has failed, on purpose or not.
#[derive(Clone, Debug)]
struct Failed;

/// How a body that reads goes about it.
struct Reading {
    before: Duration,
    after: Duration,
    fails: bool,
    ran: AtomicBool,
    /// Of a batch: for which keys.
    ran_for: Mutex<Vec<u64>>,
}

trait Grouped {
    fn group(&self) -> u64;
}

impl Grouped for u64 {
    fn group(&self) -> u64 {
        self / GROUP
    }
}

/// A load goes on when its reader goes away.
#[cached(ttl = "STANDARD", key = "item:<key>", local = false, skip = [worker, reading], detach = true)]
async fn item(key: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

/// Served past its TTL, and instead of errors, but never past a write. Its loads are long for what others wait.
#[cached(
    ttl = "REALTIME",
    key = "feed:<key>",
    skip = [worker, reading],
    stale_while_revalidate = "150ms",
    stale_if_error = "400ms",
    early_refresh = 5.0,
    load_timeout = "25ms",
    local = false,
    detach = true
)]
async fn feed(key: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

/// Reads what the database was a while ago: only writes that settle promise anything.
#[cached(ttl = "STANDARD", key = "replica:<key>", local = false, skip = [worker, reading], detach = true)]
async fn replica(key: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.lagging_item(key)).await
}

/// A target of every write. Its loads end with their readers: they borrow.
#[cached(ttl = "STANDARD", key = "summary", local = false, skip = [worker, reading])]
async fn summary(worker: &Worker, reading: &Reading) -> Result<Vec<Item>, Failed> {
    reading.run(worker.truth.items()).await
}

/// Falls with its group.
#[cached(
    ttl = "STANDARD",
    key = "card:<key.group()>:<key>",
    tags = ["group:<key.group()>"],
    local = false,
    skip = [worker, reading],
    detach = true
)]
async fn card(key: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

/// Falls by a pattern, with the other pages of the item.
#[cached(ttl = "STANDARD", key = "page:<key>:<page>", local = false, skip = [worker, reading], detach = true)]
async fn page(key: u64, page: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

/// The entries of `item`, several at once.
#[cached(batch, ttl = "STANDARD", key = "item:<key>", each = "key in keys", local = false, skip = [worker, reading])]
async fn several(keys: &[u64], worker: &Worker, reading: &Reading) -> Result<HashMap<u64, Item>, Failed> {
    reading.run_for(keys, worker).await
}

/// The entries of `item`, held in this process for as long as the plan says.
#[cached(ttl = "STANDARD", key = "item:<key>", skip = [worker, reading], detach = true)]
async fn held_item(key: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

#[cached(
    ttl = "STANDARD",
    key = "card:<key.group()>:<key>",
    tags = ["group:<key.group()>"],
    skip = [worker, reading],
    detach = true
)]
async fn held_card(key: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

#[cached(ttl = "STANDARD", key = "page:<key>:<page>", skip = [worker, reading], detach = true)]
async fn held_page(key: u64, page: u64, worker: Arc<Worker>, reading: Arc<Reading>) -> Result<Item, Failed> {
    reading.run(worker.truth.item(key)).await
}

#[cached(
    batch,
    ttl = "STANDARD",
    key = "card:<key.group()>:<key>",
    tags = ["group:<key.group()>"],
    each = "key in keys",
    skip = [worker, reading]
)]
async fn held_several(
    keys: &[u64],
    worker: &Worker,
    reading: &Reading,
) -> Result<HashMap<u64, Item>, Failed> {
    reading.run_for(keys, worker).await
}

#[cached(
    ttl = "STANDARD",
    key = "item:<key>",
    invalidates = ["summary", "feed:<key>", "replica:<key>", tag("group:<key.group()>"), "page:<key>:*"],
    skip = [worker, writing],
    detach = false
)]
async fn put_item(key: u64, worker: &Arc<Worker>, writing: &Writing) -> Result<Item, Failed> {
    writing.run(worker, key).await
}

#[cached(
    invalidates = [
        "item:<key>", "summary", "feed:<key>", "replica:<key>", tag("group:<key.group()>"), "page:<key>:*",
    ],
    detach = false
)]
async fn touch_item(key: u64, worker: &Arc<Worker>, writing: &Writing) -> Result<(), Failed> {
    writing.run(worker, key).await.map(|_| ())
}

/// Fences, which tags and patterns cannot have: all by their keys.
#[cached(
    invalidates = [
        "item:<key>", "summary", "feed:<key>", "replica:<key>", "card:<key.group()>:<key>",
        "page:<key>:0", "page:<key>:1", "page:<key>:2",
    ],
    strict = true,
    detach = false
)]
async fn pin_item(key: u64, worker: &Arc<Worker>, writing: &Writing) -> Result<(), Failed> {
    writing.run(worker, key).await.map(|_| ())
}

/// Its targets stay fenced until the replica has caught up, and a little longer.
#[cached(
    invalidates = [
        "item:<key>", "summary", "feed:<key>", "replica:<key>", "card:<key.group()>:<key>",
        "page:<key>:0", "page:<key>:1", "page:<key>:2",
    ],
    settle = "60ms",
    detach = false
)]
async fn settle_item(key: u64, worker: &Arc<Worker>, writing: &Writing) -> Result<(), Failed> {
    writing.run(worker, key).await.map(|_| ())
}

/// As many as those name.
const _: () = assert!(PAGES == 3);

impl Reading {
    fn draw(function: Function, random: &mut Random) -> Self {
        let feed = matches!(function, Function::Feed(_));
        // So long that the others give it up.
        let slow = feed && random.percent(5);
        Self {
            before: random.up_to_millis(3),
            // What was read becomes older meanwhile: here the races are.
            after: random.up_to_millis(if slow { 60 } else { 5 }),
            fails: random.percent(if feed { 40 } else { 3 }),
            ran: AtomicBool::new(false),
            ran_for: Mutex::default(),
        }
    }

    /// Asked twice where others did not bring what they had begun to load.
    async fn run_for(&self, keys: &[u64], worker: &Worker) -> Result<HashMap<u64, Item>, Failed> {
        self.ran_for.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
        let items = self.run(worker.truth.items()).await?;
        Ok(items.into_iter().map(|item| (item.key, item)).filter(|(key, _)| keys.contains(key)).collect())
    }

    async fn run<T>(
        &self,
        query: impl Future<Output = Result<T, impl std::error::Error>>,
    ) -> Result<T, Failed> {
        self.ran.store(true, Ordering::Relaxed);
        sleep(self.before).await;
        let found = query.await.map_err(|error| panic!("the database fails: {error}"))?;
        sleep(self.after).await;
        if self.fails { Err(Failed) } else { Ok(found) }
    }
}

/// How a call that writes goes about it.
struct Writing {
    id: WriteId,
    mode: Mode,
    ending: Ending,
    /// Until the transaction begins.
    before: Duration,
    /// Between the commit and the end of the body.
    after: Duration,
    /// What was known of the connection before the call.
    connection: Connection,
}

/// How it ends.
#[derive(Clone, Copy)]
enum Ending {
    Patient,
    /// The caller drops the call.
    Dropped(Duration),
    /// The body does not wait for its commit and fails.
    GivesUp(Duration),
    /// The body fails when its commit is done.
    FailsLate,
    Panics(Duration),
}

impl Writing {
    fn draw(worker: &Worker, random: &mut Random, id: WriteId, mode: Mode) -> Self {
        let ending = match random.below(5) {
            _ if random.below(1_000) >= worker.load.leaves => Ending::Patient,
            0 | 1 => Ending::Dropped(random.up_to_millis(12)),
            2 => Ending::GivesUp(random.up_to_millis(8)),
            3 => Ending::FailsLate,
            _ => Ending::Panics(random.up_to_millis(8)),
        };
        // Long enough to land after the caller has gone, and within the hold.
        let slow = !matches!(ending, Ending::Patient | Ending::FailsLate) && random.percent(30);
        Self {
            id,
            mode,
            ending,
            before: random.up_to_millis(if slow { 300 } else { 4 }),
            after: random.up_to_millis(4),
            connection: Connection::before(worker),
        }
    }

    async fn run(&self, worker: &Arc<Worker>, key: u64) -> Result<Item, Failed> {
        let id = self.id;
        let fenced =
            matches!(self.mode, Mode::Through | Mode::Strict) && self.connection.was_up_until_now(worker);
        worker.note(&Event::Body { id, at: now(), fenced });
        // As with many a driver, the transaction goes on when its caller has gone.
        let commit = tokio::spawn(commit(Arc::clone(worker), key, id, self.before));
        let leaving = |after| async move {
            sleep(after).await;
            worker.note(&Event::Leaving { id, at: now() });
        };
        match self.ending {
            Ending::Patient | Ending::Dropped(_) => {}
            Ending::FailsLate => {
                commit.await.map_err(|_| Failed)?;
                leaving(self.after).await;
                return Err(Failed);
            }
            Ending::GivesUp(after) => {
                leaving(after).await;
                return Err(Failed);
            }
            Ending::Panics(after) => {
                leaving(after).await;
                // Without the message of a panic that nobody expects.
                std::panic::resume_unwind(Box::new(Failed));
            }
        }
        let item = commit.await.map_err(|_| Failed)?;
        sleep(self.after).await;
        Ok(item)
    }
}

async fn commit(worker: Arc<Worker>, key: u64, id: WriteId, before: Duration) -> Item {
    worker.commits.fetch_add(1, Ordering::AcqRel);
    sleep(before).await;
    worker.note(&Event::Committing { id, at: now() });
    let item = worker.truth.write(key, id).await.expect("the database works");
    worker.note(&Event::Committed { id, at: now() });
    worker.commits.fetch_sub(1, Ordering::AcqRel);
    item
}

/// How often the connections to Redis were lost or made: what the cache reports, counted.
static REPORTS: AtomicU64 = AtomicU64::new(0);

struct Reports;

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("cache_runtime")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        REPORTS.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What is known of the connection at the begin of a call.
struct Connection {
    reports: u64,
    up: bool,
    at: Time,
}

impl Connection {
    fn before(worker: &Worker) -> Self {
        Self { reports: REPORTS.load(Ordering::SeqCst), up: worker.is_connected(), at: now() }
    }

    /// Whether every command since then was answered: no connection was lost, and no deadline can have passed.
    ///
    /// A loss is reported before the connection is made anew, so the connections are looked at first.
    fn was_up_until_now(&self, worker: &Worker) -> bool {
        let up = self.up && worker.is_connected();
        let budget = Duration::from_millis(worker.load.budget);
        up && self.reports == REPORTS.load(Ordering::SeqCst)
            && Duration::from_nanos(now() - self.at) < budget.mul_f64(0.8)
    }
}

/// Some callers go away soon.
async fn patiently<F: Future>(random: &mut Random, call: F) -> Option<F::Output> {
    let patience = if random.percent(5) { random.up_to_millis(6) } else { Duration::MAX };
    tokio::time::timeout(patience, call).await.ok()
}

impl Worker {
    fn note(&self, event: &Event) {
        self.recorder.note(event);
    }

    fn is_connected(&self) -> bool {
        self.cache.health().state == HealthState::Connected
    }

    /// One task: call after call until the end.
    async fn calls(self: Arc<Self>, mut random: Random) {
        while !self.stop.load(Ordering::Relaxed) {
            let call = self.calls.read().await;
            let key = random.below(self.load.keys);
            let writes = self.load.writes;
            match random.below(1_000) {
                drawn if drawn < writes => {
                    // Some keys are written often, and some keep what they have for long.
                    let key = random.below(key + 1);
                    self.write(key, &mut random).await;
                }
                drawn if drawn < writes + writes / 4 => self.invalidate(key, &mut random).await,
                _ => self.read_something(key, &mut random).await,
            }
            drop(call);
            sleep(random.up_to_millis(self.load.pause)).await;
        }
    }

    async fn read_something(self: &Arc<Self>, key: u64, random: &mut Random) {
        let held = random.percent(self.load.held);
        let function = match random.below(100) {
            0..12 => {
                let first = random.below(self.load.keys);
                let keys = (0..1 + random.below(self.load.keys)).map(|key| (first + key) % self.load.keys);
                return self.read_several(&keys.collect::<Vec<_>>(), held, random).await;
            }
            12..54 if held => Function::HeldItem(key),
            54..80 if held => Function::HeldCard(key),
            _ if held => Function::HeldPage(key, random.below(PAGES)),
            12..27 => Function::Summary,
            27..47 => Function::Feed(key),
            47..57 => Function::Replica(key),
            57..70 => Function::Card(key),
            70..84 => Function::Page(key, random.below(PAGES)),
            _ => Function::Item(key),
        };
        self.read(function, random).await;
    }

    async fn read(self: &Arc<Self>, function: Function, random: &mut Random) {
        let reading = Arc::new(Reading::draw(function, random));
        let start = now();
        let call = async {
            let arguments = || (Arc::clone(self), Arc::clone(&reading));
            let ((worker, of_call), one) = (arguments(), |item| vec![item]);
            match function {
                Function::Item(key) => item(key, worker, of_call).await.map(one),
                Function::Summary => summary(self, &reading).await,
                Function::Feed(key) => feed(key, worker, of_call).await.map(one),
                Function::Replica(key) => replica(key, worker, of_call).await.map(one),
                Function::Card(key) => card(key, worker, of_call).await.map(one),
                Function::Page(key, number) => page(key, number, worker, of_call).await.map(one),
                Function::HeldItem(key) => held_item(key, worker, of_call).await.map(one),
                Function::HeldCard(key) => held_card(key, worker, of_call).await.map(one),
                Function::HeldPage(key, number) => held_page(key, number, worker, of_call).await.map(one),
                Function::Several(_) | Function::HeldSeveral(_) => unreachable!("a batch"),
            }
        };
        let Some(Ok(items)) = patiently(random, call).await else { return };
        let loaded = reading.ran.load(Ordering::Relaxed);
        self.note(&Event::Read { start, end: now(), function, loaded, items });
    }

    /// Each of them is a read of its own.
    async fn read_several(self: &Arc<Self>, keys: &[u64], held: bool, random: &mut Random) {
        let function = if held { Function::HeldSeveral } else { Function::Several };
        let reading = Reading::draw(function(keys[0]), random);
        let start = now();
        let call = async {
            match held {
                true => held_several(keys, self, &reading).await,
                false => several(keys, self, &reading).await,
            }
        };
        let Some(Ok(items)) = patiently(random, call).await else { return };
        let end = now();
        let loaded = reading.ran_for.into_inner().unwrap_or_else(PoisonError::into_inner);
        for &key in keys {
            let items = vec![*items.get(&key).expect("each that was asked for")];
            let (function, loaded) = (function(key), loaded.contains(&key));
            self.note(&Event::Read { start, end, function, loaded, items });
        }
    }

    async fn write(self: &Arc<Self>, key: u64, random: &mut Random) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = self.number << 32 | NEXT.fetch_add(1, Ordering::Relaxed);
        // Each that settles keeps all that it targets from being stored for a while, so they are few.
        let mode = match random.below(100) {
            0..45 => Mode::Through,
            45..70 => Mode::Plain,
            70..95 => Mode::Strict,
            _ => Mode::Settling,
        };
        self.note(&Event::Write { id, start: now(), mode, key });
        let writing = Writing::draw(self, random, id, mode);
        let dropped = match writing.ending {
            Ending::Dropped(after) => Some(after),
            _ => None,
        };
        let worker = Arc::clone(self);
        let call = tokio::spawn(async move {
            match mode {
                Mode::Through => put_item(key, &worker, &writing).await.map(|_| ()),
                Mode::Plain => touch_item(key, &worker, &writing).await,
                Mode::Strict => pin_item(key, &worker, &writing).await,
                Mode::Settling => settle_item(key, &worker, &writing).await,
            }
        });
        if let Some(after) = dropped {
            sleep(after).await;
            self.note(&Event::Leaving { id, at: now() });
            call.abort();
        }
        // An error is that of the task: it was aborted, or has panicked.
        let outcome = if call.await.is_ok() { Outcome::Returned } else { Outcome::Left };
        self.note(&Event::Written { id, end: now(), outcome });
        self.look();
    }

    async fn invalidate(&self, key: u64, random: &mut Random) {
        let start = now();
        let (item, feed) = (item::entry(&key), feed::entry(&key));
        let (tag, pattern) = (format!("group:{}", key.group()), format!("page:{key}:*"));
        let cache = &self.cache;
        let (item, feed, tag, pattern) = tokio::join!(
            item.invalidate(),
            feed.invalidate(),
            cache.invalidate_tag(&tag),
            cache.invalidate_matching(&pattern)
        );
        let acknowledged = item && feed && tag && pattern.acknowledged;
        self.note(&Event::Invalidated { start, end: now(), key, acknowledged });
        sleep(random.up_to_millis(1)).await;
    }

    /// Notes it where no invalidation waits to be repeated; else it is looked at again.
    fn look(&self) {
        let start = now();
        if self.cache.health().recovery_queue == 0 {
            self.note(&Event::Clear { start, end: now() });
        } else {
            self.owing.store(true, Ordering::SeqCst);
        }
    }

    async fn looks(self: Arc<Self>) {
        loop {
            sleep(Duration::from_millis(10)).await;
            if self.owing.swap(false, Ordering::SeqCst) {
                self.look();
            }
        }
    }

    /// Now and then nobody calls, so that it can be seen when the steps of calls that were left are over.
    async fn breaks(self: Arc<Self>, mut random: Random) {
        while !self.stop.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(100 + random.below(200))).await;
            let alone = self.calls.write().await;
            let start = now();
            if self.cache.shutdown(Duration::from_millis(50)).await {
                self.note(&Event::Quiet { start, end: now() });
            }
            drop(alone);
        }
    }

    /// Redis is there by now: everything comes to an end.
    async fn finish(self: &Arc<Self>) {
        while self.commits.load(Ordering::Acquire) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
        let start = now();
        if self.cache.shutdown(Duration::from_secs(15)).await {
            self.note(&Event::Quiet { start, end: now() });
        } else {
            self.note(&Event::Unfinished { at: now() });
        }
        let mut random = Random::new(self.number);
        for key in 0..self.load.keys {
            let pages =
                (0..PAGES).flat_map(|page| [Function::Page(key, page), Function::HeldPage(key, page)]);
            let others = [
                Function::Item(key),
                Function::Feed(key),
                Function::Replica(key),
                Function::Card(key),
                Function::HeldItem(key),
                Function::HeldCard(key),
            ];
            for function in others.into_iter().chain(pages) {
                self.read(function, &mut random).await;
            }
        }
        self.read(Function::Summary, &mut random).await;
        let all: Vec<u64> = (0..self.load.keys).collect();
        self.read_several(&all, false, &mut random).await;
        self.read_several(&all, true, &mut random).await;
        let report = self.cache.report();
        let local = report.functions.iter().map(|row| row.calls.hits_local).sum();
        let feed = report.functions.iter().find(|row| row.template == "feed:<key>");
        let (stale, failed) = feed.map_or((0, 0), |row| (row.calls.stale, row.load_failures));
        self.note(&Event::Counted { at: now(), stale, failed, local });
    }
}

fn main() {
    // A process that is stopped would not see its stdin end.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .expect("it is Linux");
    tracing::subscriber::set_global_default(Reports).expect("the first");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, number, seed, url, load @ ..] = &words[..] else { panic!("which history?") };
    let (number, seed): (u64, u64) = (number.parse().expect("a number"), seed.parse().expect("a seed"));
    let load = Load::parse(load).expect("a load");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(run(Path::new(folder), number, seed, url, load));
}

async fn run(folder: &Path, number: u64, seed: u64, url: &str, load: Load) {
    // Of this run alone: the same seed may have run on this server before, with another database.
    let namespace = folder.file_name().and_then(|name| name.to_str()).expect("a folder with a name");
    let builder = Cache::builder()
        .redis(url)
        .and_then(|builder| builder.namespace(namespace))
        .expect("fit")
        .budget(Duration::from_millis(load.budget))
        .local(Duration::from_millis(load.local))
        .coherence(if load.channel { Coherence::Channel } else { Coherence::Tracking })
        .ttl_class(TtlClass::Standard, Duration::from_millis(load.ttl))
        .ttl_class(TtlClass::Realtime, Duration::from_millis(load.fading))
        .lease(Duration::from_millis(load.lease));
    let builder = if load.fencing { builder } else { testing::without_fencing(builder) };
    let cache = builder.build().expect("a cache");
    cache.clone().install().expect("the first");
    let worker = Arc::new(Worker {
        number,
        load,
        truth: Truth::open(&folder.join("truth")).await.expect("the database"),
        recorder: Recorder::create(&folder.join(format!("{number}.events"))).expect("a new file"),
        cache,
        calls: RwLock::new(()),
        owing: AtomicBool::new(false),
        commits: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let to_stop = Arc::clone(&worker);
    std::thread::spawn(move || {
        let mut stdin = Vec::new();
        std::io::stdin().read_to_end(&mut stdin).expect("a pipe");
        to_stop.stop.store(true, Ordering::Relaxed);
    });
    let mut random = Random::new(seed ^ number << 32);
    let looks = tokio::spawn(Arc::clone(&worker).looks());
    let breaks = tokio::spawn(Arc::clone(&worker).breaks(Random::new(random.next())));
    let calls: Vec<_> = (0..load.tasks)
        .map(|_| tokio::spawn(Arc::clone(&worker).calls(Random::new(random.next()))))
        .collect();
    for task in calls.into_iter().chain([breaks]) {
        task.await.expect("no call panics that was not to");
    }
    worker.finish().await;
    looks.abort();
}
