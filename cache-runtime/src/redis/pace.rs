//! When the next attempt to connect comes, and how long it may take.

use std::time::Duration;

use crate::ambient;

/// Pause before the second attempt; the first one after a connection has broken comes at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same while something waits for the connection: an invalidation that others do not know of yet.
pub(super) const HURRIED_PAUSE: Duration = Duration::from_millis(250);
/// Time that an attempt may take, handshake included: it grows, so that a server far away is reached, too.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(5);
const HURRIED_ATTEMPT: Duration = Duration::from_millis(500);
/// Round trips of an attempt: TCP, TLS, AUTH, the handshake, and as many again.
const ROUND_TRIPS: u32 = 8;
/// A connection that was up for less is no better than one that is refused.
const STABLE: Duration = LONGEST_PAUSE;

#[derive(Debug)]
pub(super) struct Pace {
    shortest: Duration,
    attempt: Duration,
    pause: Option<Duration>,
}

impl Pace {
    /// Of a client whose calls wait for the server for so long.
    pub(super) fn new(budget: Duration) -> Self {
        let shortest = budget.clamp(SHORTEST_ATTEMPT, LONGEST_ATTEMPT);
        Self { shortest, attempt: shortest, pause: None }
    }

    /// The time that the next attempt may take.
    pub(super) fn attempt(&self, round_trip: Duration, is_hurried: bool) -> Duration {
        let shortest = (round_trip * ROUND_TRIPS).clamp(self.shortest, LONGEST_ATTEMPT);
        let longest = if is_hurried { HURRIED_ATTEMPT } else { LONGEST_ATTEMPT };
        self.attempt.min(longest).max(shortest)
    }

    pub(super) fn failed(&mut self) {
        self.pause.get_or_insert(FIRST_PAUSE);
        self.attempt = (self.attempt * 2).min(LONGEST_ATTEMPT);
    }

    /// A connection was lost that had been up for so long.
    pub(super) fn lost(&mut self, up: Duration) {
        self.attempt = self.shortest;
        if up >= STABLE {
            self.pause = None;
        }
    }

    /// The pause before the next attempt, with jitter.
    pub(super) fn pause(&mut self) -> Duration {
        let Some(pause) = self.pause else {
            self.pause = Some(FIRST_PAUSE);
            return Duration::ZERO;
        };
        self.pause = Some((pause * 2).min(LONGEST_PAUSE));
        pause.mul_f64(ambient::random().mul_add(0.2, 0.8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(100);

    #[test]
    fn the_first_attempt_after_a_loss_comes_at_once_and_the_others_ever_later() {
        let mut pace = Pace::new(BUDGET);
        for round in 0..2 {
            pace.lost(STABLE);
            assert_eq!(pace.pause(), Duration::ZERO, "round {round}");
            for expected in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
                pace.failed();
                let pause = pace.pause().as_millis();
                assert!((expected * 8 / 10..=expected).contains(&pause), "{pause} of {expected}");
            }
        }
    }

    #[test]
    fn a_connection_that_breaks_soon_is_not_made_again_at_once() {
        let mut pace = Pace::new(BUDGET);
        pace.lost(Duration::ZERO);
        assert_eq!(pace.pause(), Duration::ZERO);
        for least in [80, 160, 320] {
            pace.lost(Duration::ZERO);
            assert!(pace.pause() >= Duration::from_millis(least));
        }
    }

    #[test]
    fn an_attempt_has_time_for_a_server_far_away() {
        let check = |budget, failures, round_trip, is_hurried, expected| {
            let mut pace = Pace::new(Duration::from_millis(budget));
            (0..failures).for_each(|_| pace.failed());
            let attempt = pace.attempt(Duration::from_millis(round_trip), is_hurried);
            assert_eq!(attempt, Duration::from_millis(expected), "{budget} {failures} {round_trip}");
        };
        check(100, 0, 0, false, 250);
        check(2_000, 0, 0, false, 2_000);
        check(100, 3, 0, false, 2_000);
        check(100, 30, 0, false, 5_000);
        check(100, 0, 100, false, 800);
        check(u64::MAX, 0, 100_000, false, 5_000);
        // What waits does not wait for an attempt that was lost on the way, nor is a far server out of reach.
        check(100, 30, 0, true, 500);
        check(100, 30, 100, true, 800);
    }
}
