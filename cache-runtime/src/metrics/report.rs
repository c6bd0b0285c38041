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
    /// Values that were not stored: too large, not serialisable, or not readable afterwards. The log says which.
    pub unstorable: u64,
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
                unstorable: stats.unstorable.load(Ordering::Relaxed),
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

/// A table for a terminal or a log: the calls by what became of them, misses by their reasons, and the failures.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.functions.iter().map(|row| row.function.len()).max().unwrap_or(0).max(10);
        write!(f, "{:width$}  ttl class  hit rate", "function")?;
        for name in COLUMNS {
            write!(f, "  {name:>COLUMN$}")?;
        }
        writeln!(f)?;
        let mut row = |name: &str, class: &str, calls: &Calls, failures: [u64; 3]| {
            let rate = calls.hit_rate().map_or("-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
            write!(f, "{name:width$}  {class:9}  {rate:>8}")?;
            for number in calls.columns().into_iter().chain(failures) {
                write!(f, "  {number:>COLUMN$}")?;
            }
            writeln!(f)
        };
        for function in &self.functions {
            row(function.function, function.ttl_class, &function.calls, function.failures())?;
        }
        for class in &self.ttl_classes {
            let functions = self.functions.iter().filter(|row| row.ttl_class == class.ttl_class);
            let failures = functions
                .map(FunctionReport::failures)
                .fold([0; 3], |sum, failures| std::array::from_fn(|at| sum[at] + failures[at]));
            row("(all)", class.ttl_class, &class.calls, failures)?;
        }
        Ok(())
    }
}

/// In the order of [`Calls::columns`], then of [`FunctionReport::failures`].
const COLUMNS: [&str; 11] = [
    "local",
    "hits",
    "stale",
    "coalesced",
    "cold",
    "expired",
    "invalidated",
    "bypassed",
    "load errors",
    "undecoded",
    "not stored",
];
const COLUMN: usize = 11;

impl Calls {
    fn columns(&self) -> [u64; 8] {
        [
            self.hits_local,
            self.hits,
            self.stale,
            self.coalesced,
            self.misses_cold,
            self.misses_expired,
            self.misses_invalidated,
            self.bypassed,
        ]
    }
}

impl FunctionReport {
    fn failures(&self) -> [u64; 3] {
        [self.load_failures, self.decode_failures, self.unstorable]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_the_reasons_of_misses_and_the_failures() {
        let calls =
            Calls { hits: 6, misses_cold: 1, misses_expired: 2, misses_invalidated: 3, ..Calls::default() };
        let row = |function, load_failures| FunctionReport {
            function,
            template: "user:<id>",
            ttl_class: "STANDARD",
            calls,
            decode_failures: 8,
            load_failures,
            unstorable: 9,
        };
        let ttl_classes = vec![TtlClassReport { ttl_class: "STANDARD", calls }];
        let report = Report { functions: vec![row("get_user", 7), row("find_user", 5)], ttl_classes };
        let lines: Vec<Vec<String>> = report
            .to_string()
            .replace("load errors", "load_errors")
            .replace("not stored", "not_stored")
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect();
        let value = |line: usize, column: &str| {
            let at = lines[0].iter().rev().position(|name| name == column).expect(column);
            lines[line][lines[line].len() - 1 - at].clone()
        };
        for (column, expected) in
            [("cold", "1"), ("expired", "2"), ("invalidated", "3"), ("load_errors", "7")]
        {
            assert_eq!(value(1, column), expected, "{report}");
        }
        assert_eq!(
            (value(2, "undecoded"), value(2, "not_stored"), value(2, "local")),
            ("8".into(), "9".into(), "0".into())
        );
        assert_eq!(
            (value(3, "load_errors"), value(3, "undecoded"), value(3, "not_stored")),
            ("12".into(), "16".into(), "18".into())
        );
    }
}
