//! How long: TTL classes, durations, jitter.

use std::{fmt, str::FromStr, time::Duration};

use super::entry::Millis;

/// A named length of time, so that a service speaks of "how old may this be" in five words.
///
/// The lengths can be changed without a rebuild, in the builder or by `CACHE_TTL_<CLASS>=30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TtlClass {
    /// 10 seconds.
    Realtime,
    /// 5 minutes.
    Frequent,
    /// 1 hour.
    Standard,
    /// 24 hours.
    Reference,
    /// 7 days.
    Static,
}

impl TtlClass {
    /// All classes, from the shortest to the longest default.
    pub const ALL: [Self; 5] =
        [Self::Realtime, Self::Frequent, Self::Standard, Self::Reference, Self::Static];

    /// The name as the attribute, the environment and the metrics spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Realtime => "REALTIME",
            Self::Frequent => "FREQUENT",
            Self::Standard => "STANDARD",
            Self::Reference => "REFERENCE",
            Self::Static => "STATIC",
        }
    }

    /// The length where nobody has set another one.
    #[must_use]
    pub const fn default_ttl(self) -> Duration {
        Duration::from_secs(match self {
            Self::Realtime => 10,
            Self::Frequent => 5 * 60,
            Self::Standard => 60 * 60,
            Self::Reference => 24 * 60 * 60,
            Self::Static => 7 * 24 * 60 * 60,
        })
    }
}

impl fmt::Display for TtlClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TtlClass {
    type Err = crate::Error;

    /// # Errors
    /// Where the text is not the name of a class.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|class| class.name() == name).ok_or_else(|| {
            crate::Error::config(format!(
                "`{name}` is not a TTL class; use one of REALTIME, FREQUENT, STANDARD, REFERENCE, STATIC"
            ))
        })
    }
}

/// How long an entry is fresh: a class, or a duration.
///
/// A zero duration means that the value is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ttl {
    /// What the class stands for in the cache at hand.
    Class(TtlClass),
    /// This long.
    For(Duration),
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self::For(duration)
    }
}

impl From<TtlClass> for Ttl {
    fn from(class: TtlClass) -> Self {
        Self::Class(class)
    }
}

/// A shorter one would be none at all.
const SHORTEST: Duration = Duration::from_millis(1);
/// No clock of Redis shows the end of a longer one.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The lengths of the five classes in one cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TtlTable([Duration; 5]);

impl Default for TtlTable {
    fn default() -> Self {
        Self(TtlClass::ALL.map(TtlClass::default_ttl))
    }
}

impl TtlTable {
    pub(crate) fn set(&mut self, class: TtlClass, length: Duration) {
        self.0[class as usize] = length;
    }

    /// Zero, or a millisecond to a century.
    pub(crate) fn resolve(&self, ttl: Ttl) -> Duration {
        let length = match ttl {
            Ttl::Class(class) => self.0[class as usize],
            Ttl::For(duration) => duration,
        };
        if length.is_zero() { length } else { length.clamp(SHORTEST, LONGEST) }
    }
}

/// The TTL less a random share of at most `jitter`, so that entries made together do not end together.
///
/// Jitter only shortens: nothing lives longer than its author wrote. `random` is from 0 to 1.
pub(crate) fn jittered(ttl: Duration, jitter: f64, random: f64) -> Duration {
    let share = (jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0)).clamp(0.0, 1.0);
    let shortened = ttl.mul_f64(1.0 - share);
    // A TTL that exists never becomes none at all.
    shortened.max(SHORTEST).min(ttl)
}

/// How far a value may be served past its end, and how soon before it a refresh may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staleness {
    /// RFC 5861: served at once, and refreshed in the background.
    pub(crate) while_revalidate: Millis,
    /// RFC 5861: served where the load fails.
    pub(crate) if_error: Millis,
    /// Beta of XFetch; 0 for none.
    pub(crate) early: f64,
}

/// When a value was seen, and what its header says of its times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) now: Millis,
    pub(crate) fresh_until: Millis,
    /// How long its load took.
    pub(crate) load: Millis,
}

/// What a value is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usable {
    Fresh,
    /// Fresh, and time for somebody to load the next one.
    Early,
    /// To be served while somebody loads the next one.
    Stale,
    /// To be served where the load fails.
    IfError,
    No,
}

impl Staleness {
    /// How long past its end a value is of any use.
    pub(crate) fn kept(&self) -> Millis {
        self.while_revalidate.max(self.if_error)
    }

    /// `random` is asked for a number from 0 up to 1, and only where it can matter.
    pub(crate) fn judge(&self, age: Age, random: impl FnOnce() -> f64) -> Usable {
        if age.now < age.fresh_until {
            return if self.is_early(age, random) { Usable::Early } else { Usable::Fresh };
        }
        let over = age.now - age.fresh_until;
        if over < self.while_revalidate {
            Usable::Stale
        } else if over < self.if_error {
            Usable::IfError
        } else {
            Usable::No
        }
    }

    /// XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015): the
    /// nearer the end and the longer the load, the likelier, independently in each call. The probability is
    /// `exp(-left / (load * beta))`.
    fn is_early(&self, age: Age, random: impl FnOnce() -> f64) -> bool {
        let scale = age.load as f64 * self.early;
        let left = (age.fresh_until - age.now) as f64;
        // The smallest number that is drawn is 2^-32, whose logarithm is -22.2.
        if scale <= 0.0 || left > scale * 22.2 {
            return false;
        }
        -(1.0 - random()).ln() * scale >= left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AN_HOUR: Millis = 3_600_000;

    #[test]
    fn a_value_is_stale_for_as_long_as_its_function_says() {
        let staleness = Staleness { while_revalidate: 100, if_error: 300, early: 0.0 };
        let at = |now| staleness.judge(Age { now, fresh_until: 1_000, load: 50 }, || 1.0);
        let expected = [
            (999, Usable::Fresh),
            (1_000, Usable::Stale),
            (1_099, Usable::Stale),
            (1_100, Usable::IfError),
            (1_299, Usable::IfError),
            (1_300, Usable::No),
        ];
        for (now, usable) in expected {
            assert_eq!(at(now), usable, "{now}");
        }
        assert_eq!(staleness.kept(), 300);
    }

    /// Numbers from 0 up to 1, the same in each run (SplitMix64).
    fn draws(mut seed: u64) -> impl FnMut() -> f64 {
        move || {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ (mixed >> 31)) >> 32) as f64 / 4_294_967_296.0
        }
    }

    #[test]
    fn an_early_refresh_is_as_likely_as_the_formula_says() {
        const DRAWS: u32 = 100_000;
        let mut draw = draws(42);
        for (load, beta) in [(100, 1.0), (100, 2.5), (2_000, 1.0), (7, 0.5)] {
            for share in [0.05, 0.5, 1.0, 2.0, 4.0] {
                let scale = load as f64 * beta;
                let left = ((scale * share) as Millis).max(1);
                let staleness = Staleness { while_revalidate: 0, if_error: 0, early: beta };
                let age = Age { now: AN_HOUR - left, fresh_until: AN_HOUR, load };
                let early = (0..DRAWS).filter(|_| staleness.judge(age, &mut draw) == Usable::Early).count();
                let expected = (-(left as f64) / scale).exp();
                let deviation = (expected * (1.0 - expected) / f64::from(DRAWS)).sqrt();
                let found = early as f64 / f64::from(DRAWS);
                assert!(
                    (found - expected).abs() < 4.5 * deviation + f64::EPSILON,
                    "load {load}, beta {beta}, left {left}: {found} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_drawn_long_before_the_end_or_where_it_is_off() {
        let never = || -> f64 { panic!("drawn") };
        let on = Staleness { while_revalidate: 0, if_error: 0, early: 1.0 };
        let off = Staleness { early: 0.0, ..on };
        let age = |left, load| Age { now: AN_HOUR - left, fresh_until: AN_HOUR, load };
        assert_eq!(on.judge(age(2_221, 100), never), Usable::Fresh);
        assert_eq!(on.judge(age(1, 0), never), Usable::Fresh, "what takes no time is not refreshed early");
        assert_eq!(off.judge(age(1, 100), never), Usable::Fresh);
    }

    #[test]
    fn classes_have_the_lengths_of_their_documentation() {
        let lengths = TtlClass::ALL.map(|class| (class.name(), class.default_ttl().as_secs()));
        let expected = [
            ("REALTIME", 10),
            ("FREQUENT", 300),
            ("STANDARD", 3_600),
            ("REFERENCE", 86_400),
            ("STATIC", 604_800),
        ];
        assert_eq!(lengths, expected);
    }

    #[test]
    fn a_class_takes_another_length() {
        let mut table = TtlTable::default();
        table.set(TtlClass::Standard, Duration::from_secs(7));
        assert_eq!(table.resolve(TtlClass::Standard.into()), Duration::from_secs(7));
        assert_eq!(table.resolve(TtlClass::Static.into()), Duration::from_secs(604_800));
        assert_eq!(table.resolve(Duration::from_secs(3).into()), Duration::from_secs(3));
        assert_eq!(table.resolve(Duration::from_nanos(1).into()), SHORTEST);
        assert_eq!(table.resolve(Duration::MAX.into()), LONGEST);
        assert_eq!(table.resolve(Duration::ZERO.into()), Duration::ZERO);
    }

    #[test]
    fn jitter_only_shortens() {
        let ttl = Duration::from_secs(100);
        for step in 0..=100 {
            let random = f64::from(step) / 100.0;
            let shortened = jittered(ttl, 0.1, random);
            assert!(shortened <= ttl && shortened >= Duration::from_secs(90), "{random}: {shortened:?}");
        }
        assert_eq!(jittered(ttl, 0.1, 1.0), Duration::from_secs(90));
        assert_eq!(jittered(ttl, 0.0, 1.0), ttl);
        assert_eq!(jittered(Duration::from_millis(1), 1.0, 1.0), Duration::from_millis(1));
    }
}
