//! One cache: everything that its handles share.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use super::{history::History, keeper::Keeper, site::Site, tasks::Tasks};
use crate::{
    ambient,
    domain::{
        entry::Millis,
        key::Key,
        policy::{Ttl, TtlTable},
        verdict::{Miss, reason},
    },
    error::StoreError,
    flight::Flights,
    local::{Local, Ticket},
    metrics::{self, Outcome, StatsTable, stats::Stats},
    resilience::{recovery::Recovery, refresh::Refreshes},
    store::{AnyStore, Store as _},
};

/// How long each side of a body may wait for the store, how long leases last, and so on: plain data.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    /// For everything that a call asks of the store before its body, and again after it.
    pub(crate) budget: Duration,
    pub(crate) lease: Duration,
    /// How long others wait for a load.
    pub(crate) load_timeout: Duration,
    /// How long the keys of a write that may land later stay fenced (rule 14).
    pub(crate) hold: Duration,
    /// Largest value in bytes, header included.
    pub(crate) max_value_size: usize,
    /// Before every key: empty, or a namespace and a colon.
    pub(crate) prefix: String,
    pub(crate) ttls: TtlTable,
    /// How long values may be in the local level where a function does not say it; `None`: they are not put there.
    pub(crate) local: Option<Millis>,
}

/// One cache: everything that its handles share.
pub(crate) struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) store: AnyStore,
    pub(crate) local: Arc<Local>,
    /// Hashes of arguments begin with it: nobody outside can choose arguments that share one.
    pub(crate) seed: u64,
    pub(crate) flights: Arc<Flights>,
    pub(crate) stats: StatsTable,
    pub(crate) recovery: Recovery,
    pub(crate) refreshes: Refreshes,
    /// What goes on without a caller: steps after writes, refreshes, leases that are given back.
    pub(super) tasks: Tasks,
    pub(super) keeper: Keeper,
    /// Leases that are being given back.
    pub(super) releases: AtomicUsize,
    /// Tells the reasons of misses apart.
    history: History,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.config)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(config: EngineConfig, store: AnyStore, local: Arc<Local>) -> Self {
        Self {
            config,
            store,
            local,
            seed: ambient::seed(),
            flights: Arc::default(),
            stats: StatsTable::default(),
            recovery: Recovery::default(),
            refreshes: Refreshes::default(),
            tasks: Tasks::default(),
            keeper: Keeper::default(),
            releases: AtomicUsize::new(0),
            history: History::default(),
        }
    }

    /// Whether nothing is under way: no load, no step after a write, no lease to give back, no invalidation to repeat.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_idle() && self.flights.len() == 0 && self.recovery.len() == 0
    }

    pub(crate) fn ttl(&self, ttl: Ttl) -> Duration {
        self.config.ttls.resolve(ttl)
    }

    pub(super) fn stats(&self, site: &Site) -> &Stats {
        self.stats.of(&site.place, site.labels())
    }

    pub(super) fn count(&self, site: &Site, outcome: Outcome) {
        self.stats(site).count(outcome);
        site.emitter.request(site.labels(), outcome);
    }

    /// A look-up in the store took so long. The recorder of metrics is told of hits in the process here, too: to tell it of
    /// each would cost several times as much as the hit.
    pub(super) fn looked_up(&self, site: &Site, time: Duration) {
        site.emitter.lookup(site.labels(), time);
        let hits = if site.local_ttl(self).is_some() { self.stats(site).untold() } else { 0 };
        if hits > 0 {
            site.emitter.requests(site.labels(), Outcome::HitLocal, hits);
        }
    }

    /// The same for all functions.
    pub(crate) fn tell_all_local_hits(&self) {
        self.stats.all().for_each(|(labels, stats)| metrics::local_hits(labels, stats.untold()));
    }

    /// The body runs without the cache.
    pub(super) fn bypassed(&self, site: &Site, reason: &'static str) {
        self.count(site, Outcome::Bypass);
        site.emitter.bypass(site.labels(), reason);
    }

    /// A step of the store failed: where the server refused, say so once for each function.
    pub(super) fn failed(&self, site: &Site, error: &StoreError) {
        if let StoreError::Refused(error) = error {
            site.warn_once(|| {
                tracing::warn!(function = site.labels().function, %error, "Redis refused; running without the cache");
            });
        }
    }

    /// Taken before a look-up whose value may go into the local level.
    pub(super) fn local_ticket(&self, key: &Key, tags: &[Key]) -> Option<Ticket> {
        let ticket = self.local.ticket(key, tags);
        if ticket.is_none() {
            self.store.listen();
        }
        ticket
    }

    /// Remembers until when the value of a key was to live.
    pub(super) fn remember(&self, key: &Key, until: Millis) {
        self.history.insert(key, until);
    }

    pub(super) fn miss(&self, key: &Key) -> Miss {
        reason(self.history.get(key), self.store.now())
    }
}

/// The engine of one call. That of the installed cache lives as long as the process, and so is not counted: a counter
/// that all cores write to would cost more than the rest of a look-up.
#[derive(Clone, Debug)]
pub(crate) enum EngineRef {
    Installed(&'static Arc<Engine>),
    Own(Arc<Engine>),
}

impl Deref for EngineRef {
    type Target = Arc<Engine>;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Installed(engine) => engine,
            Self::Own(engine) => engine,
        }
    }
}

/// What the macros hand over: whose cache, and which function.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) engine: Arc<Engine>,
    pub(crate) site: &'static Site,
}
