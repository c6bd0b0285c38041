//! `cache.report()`: hit rates per function and per TTL class.

use std::{collections::BTreeMap, fmt, sync::atomic::Ordering};

use super::stats::{Outcome, StatsTable};
use crate::domain::verdict::Miss;

/// What the cached functions of this process did since the cache was built.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// One row for each function that was called, sorted by name.
    pub functions: Vec<FunctionReport>,
    /// One row for each TTL class in use, sorted by name; durations and expressions are `custom`.
    pub ttl_classes: Vec<TtlClassReport>,
}

/// The row of one function.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionReport {
    /// Module path and name.
    pub function: &'static str,
    /// The template of its key.
    pub template: &'static str,
    /// Its TTL class, or `custom`.
    pub ttl_class: &'static str,
    /// What became of its calls.
    pub calls: Calls,
    /// Stored values that could not be read and were replaced.
    pub decode_failures: u64,
    /// Loads that returned an error.
    pub load_failures: u64,
}

/// The row of one TTL class.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TtlClassReport {
    /// The name of the class, or `custom`.
    pub ttl_class: &'static str,
    /// What became of the calls of all its functions.
    pub calls: Calls,
}

/// What became of calls, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Served from the local level.
    pub hits_local: u64,
    /// Served from the store.
    pub hits: u64,
    /// Served from the store with an old value, as `stale_while_revalidate` and `stale_if_error` allow.
    pub stale: u64,
    /// Served by the load of another call at the same time.
    pub coalesced: u64,
    /// Loaded; never seen by this process before.
    pub misses_cold: u64,
    /// Loaded; the TTL of the value that was seen before is over.
    pub misses_expired: u64,
    /// Loaded; the value that was seen before went away before its time.
    pub misses_invalidated: u64,
    /// The body ran without the cache.
    pub bypassed: u64,
}

impl Calls {
    /// The share of calls that did not run the body, of those that used the cache; `None` before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let served = self.hits_local + self.hits + self.stale + self.coalesced;
        let all = served + self.misses();
        (all > 0).then(|| served as f64 / all as f64)
    }

    /// Loads, for whatever reason.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses_cold + self.misses_expired + self.misses_invalidated
    }

    fn add(&mut self, other: &Self) {
        self.hits_local += other.hits_local;
        self.hits += other.hits;
        self.stale += other.stale;
        self.coalesced += other.coalesced;
        self.misses_cold += other.misses_cold;
        self.misses_expired += other.misses_expired;
        self.misses_invalidated += other.misses_invalidated;
        self.bypassed += other.bypassed;
    }
}

impl Report {
    pub(crate) fn of(table: &StatsTable) -> Self {
        let mut functions: Vec<FunctionReport> = table
            .all()
            .map(|(labels, stats)| FunctionReport {
                function: labels.function,
                template: labels.template,
                ttl_class: labels.ttl_class,
                calls: Calls {
                    hits_local: stats.get(Outcome::HitLocal),
                    hits: stats.get(Outcome::HitRemote),
                    stale: stats.get(Outcome::Stale),
                    coalesced: stats.get(Outcome::Coalesced),
                    misses_cold: stats.get(Outcome::Miss(Miss::Cold)),
                    misses_expired: stats.get(Outcome::Miss(Miss::Expired)),
                    misses_invalidated: stats.get(Outcome::Miss(Miss::Invalidated)),
                    bypassed: stats.get(Outcome::Bypass),
                },
                decode_failures: stats.decode_failures.load(Ordering::Relaxed),
                load_failures: stats.loads_failed.load(Ordering::Relaxed),
            })
            .collect();
        functions.sort_by_key(|row| row.function);
        let mut classes = BTreeMap::<_, Calls>::new();
        for row in &functions {
            classes.entry(row.ttl_class).or_default().add(&row.calls);
        }
        let ttl_classes =
            classes.into_iter().map(|(ttl_class, calls)| TtlClassReport { ttl_class, calls }).collect();
        Self { functions, ttl_classes }
    }

    /// The row of the function whose path ends with `name`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionReport> {
        self.functions.iter().find(|row| {
            row.function.strip_suffix(name).is_some_and(|path| path.is_empty() || path.ends_with("::"))
        })
    }
}

/// A table for a terminal or a log.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.functions.iter().map(|row| row.function.len()).max().unwrap_or(0).max(10);
        writeln!(
            f,
            "{:width$}  ttl class  hit rate      local       hits      stale  coalesced     misses   bypassed",
            "function"
        )?;
        let mut row = |name: &str, class: &str, calls: &Calls| {
            let rate = calls.hit_rate().map_or("-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
            let Calls { hits_local: local, hits, stale, coalesced, bypassed, .. } = calls;
            let misses = calls.misses();
            writeln!(
                f,
                "{name:width$}  {class:9}  {rate:>8}  {local:>9}  {hits:>9}  {stale:>9}  {coalesced:>9}  {misses:>9}  {bypassed:>9}"
            )
        };
        for function in &self.functions {
            row(function.function, function.ttl_class, &function.calls)?;
        }
        for class in &self.ttl_classes {
            row("(all)", class.ttl_class, &class.calls)?;
        }
        Ok(())
    }
}
