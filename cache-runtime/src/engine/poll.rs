//! The pauses of a caller that waits for the load of another process.

use std::time::Duration;

use crate::domain::entry::Millis;

/// The first pause between two looks at the entry, and the longest.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(200);
/// Poll interval where the store also notifies.
const FALLBACK: Duration = Duration::from_secs(1);

/// Pauses that grow.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) const NEW: Self = Self(FIRST);

    /// The next one: until the lease ends where changes of the entry are told, else a little longer than the one before.
    pub(super) fn next(&mut self, told: bool, lease_left: Millis) -> Duration {
        let pause = self.0;
        self.0 = (pause * 3 / 2).min(LONGEST);
        if told {
            FALLBACK.min(Duration::from_millis(lease_left.saturating_add(1))).max(FIRST)
        } else {
            pause
        }
    }
}
