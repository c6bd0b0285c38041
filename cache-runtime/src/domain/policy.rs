//! How long: TTL classes, durations, jitter.

use std::{fmt, str::FromStr, time::Duration};

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

    pub(crate) fn resolve(&self, ttl: Ttl) -> Duration {
        match ttl {
            Ttl::Class(class) => self.0[class as usize],
            Ttl::For(duration) => duration,
        }
    }
}

/// The TTL less a random share of at most `jitter`, so that entries made together do not end together.
///
/// Jitter only shortens: nothing lives longer than its author wrote. `random` is from 0 to 1.
pub(crate) fn jittered(ttl: Duration, jitter: f64, random: f64) -> Duration {
    let share = (jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0)).clamp(0.0, 1.0);
    let shortened = ttl.mul_f64(1.0 - share);
    // A TTL that exists never becomes none at all.
    shortened.max(Duration::from_millis(1)).min(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;

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
