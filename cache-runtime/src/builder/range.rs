//! The range of each setting. Zero is refused, since it could mean "none" as well as "without bounds"; everything else is
//! brought into the range.

use std::time::Duration;

use crate::Error;

pub(super) struct Range<T> {
    name: &'static str,
    least: T,
    most: T,
    /// The range as the error spells it.
    spelled: &'static str,
}

pub(super) const BUDGET: Range<Duration> = Range {
    name: "budget",
    least: Duration::from_millis(1),
    most: Duration::from_secs(60),
    spelled: "a duration from 1 millisecond to 1 minute",
};

/// It is renewed every third of it, and timers count milliseconds.
pub(super) const LEASE: Range<Duration> = Range {
    name: "lease",
    least: Duration::from_millis(30),
    most: Duration::from_secs(60 * 60),
    spelled: "a duration from 30 milliseconds to 1 hour",
};

pub(super) const LOAD_TIMEOUT: Range<Duration> = Range {
    name: "load_timeout",
    least: Duration::from_millis(1),
    most: Duration::from_secs(24 * 60 * 60),
    spelled: "a duration from 1 millisecond to 1 day",
};

pub(super) const LANES: Range<usize> =
    Range { name: "lanes", least: 1, most: 64, spelled: "a number from 1 to 64" };

/// A string in Redis has 512 MiB at most, with all that is around the value.
pub(super) const MAX_VALUE_SIZE: Range<usize> = Range {
    name: "max_value_size",
    least: 1,
    most: 511 << 20,
    spelled: "a number of bytes from 1 to 535822336 (511 MiB)",
};

const BYTES: Range<u64> = Range {
    name: "",
    least: 64 << 10,
    most: 1 << 50,
    spelled: "a number of bytes from 65536 (64 KiB) to 1125899906842624 (1 PiB)",
};

pub(super) const MEMORY: Range<u64> = Range { name: "memory", ..BYTES };

pub(super) const LOCAL_MEMORY: Range<u64> = Range { name: "local_memory", ..BYTES };

impl<T: PartialOrd + Default + Copy> Range<T> {
    /// The value, or the end of the range that is nearest to it.
    pub(super) fn fit(&self, value: T) -> Result<T, Error> {
        let Self { name, spelled, .. } = self;
        if value == T::default() {
            return Err(Error::config(format!("`{name}` is zero; write {spelled}")));
        }
        Ok(if value < self.least {
            self.least
        } else if value > self.most {
            self.most
        } else {
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_brought_inside_and_zero_is_refused() {
        for (value, fit) in [(1, 30), (30, 30), (31, 31), (3_600_000, 3_600_000), (u64::MAX, 3_600_000)] {
            let fits = LEASE.fit(Duration::from_millis(value)).expect("not zero");
            assert_eq!(fits, Duration::from_millis(fit), "{value}");
        }
        let error = LANES.fit(0).expect_err("zero").to_string();
        assert!(error.contains("`lanes` is zero; write a number from 1 to 64"), "{error}");
        assert_eq!((LANES.fit(usize::MAX).ok(), MEMORY.fit(1).ok()), (Some(64), Some(64 << 10)));
    }
}
