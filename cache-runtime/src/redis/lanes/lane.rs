//! One lane: a connection that is up or down, and what is known of it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bb8_redis::redis::{Cmd, FromRedisValue, RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

use crate::{
    ambient::{self, Deadline, millis},
    domain::entry::Millis,
    error::StoreError,
    redis::{listener::Listener, report::is_of_server},
};

/// How long the values from before a reconnect are void on a connection (rule 16).
///
/// A process that was cut off cannot know who else was. Another one that came back later still has invalidations to repeat,
/// of writes that have returned meanwhile: until it has, what they invalidate is in Redis as it was. It hurries, so that this
/// is longer than its pause, its attempt and the repetition take.
/// Values that were stored since the reconnect are of loads that began after it. Tags stay as they are: a version is
/// created anew where it is void, and one process's bad network would end the values of all others.
const GRACE: Duration = Duration::from_secs(1);

/// A command that is not to wait for an answer has left within this time.
const LEAVES: Duration = Duration::from_millis(10);

/// One lane, up or down.
pub(super) struct Lane {
    /// When a command counts as unanswered: before the deadline of its call, so that the lane sees it.
    pub(super) timeout: Duration,
    /// Where the server tells of the changes of what is read on this lane.
    pub(super) listener: Option<Arc<dyn Listener>>,
    open: ArcSwapOption<Open>,
    /// Nothing is heard from the server, or not soon enough: calls do not wait for it.
    silent: AtomicBool,
    /// When something was heard from the server, whatever it was, in ticks.
    heard: AtomicU64,
    /// The server does not tell of changes, and will not.
    pub(super) refused: AtomicBool,
    /// Whether a connection is being tried.
    pub(super) trying: AtomicBool,
    /// Something waits for the connection.
    pub(super) hurried: AtomicBool,
    /// The supervisor is to look at the lane now.
    pub(super) wake: Notify,
    /// Whether an attempt to connect has ended, however it did: the first one, or the first one after the runtime that
    /// carried the connection has ended.
    tried: watch::Sender<bool>,
    /// Why the lane is down, for `health()`.
    trouble: Mutex<Option<String>>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Open {
    /// No other connection has this number.
    pub(super) number: u64,
    pub(super) connection: MultiplexedConnection,
    pub(super) starts: Starts,
    /// Until when the values from before the connection are void, in ticks.
    pub(super) grace_until: Millis,
    pub(super) carried: Carried,
}

/// The task that carries a connection, on whichever runtime: it ends with this.
#[derive(Debug)]
pub(super) struct Carried(pub(super) AbortHandle);

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was written before these moments, by the server's clock, is void on a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Starts {
    /// The server's start.
    pub(crate) server: Millis,
    /// That of values: the reconnect, as long as the grace lasts.
    pub(crate) values: Millis,
    /// Whether the server tells the time, also to scripts.
    pub(crate) tells_time: bool,
}

/// A connection to send one command on.
pub(super) struct Picked<'a> {
    lane: &'a Lane,
    number: u64,
    is_silent: bool,
    pub(super) starts: Starts,
    connection: MultiplexedConnection,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({})", if self.is_usable() { "up" } else { "down" })
    }
}

impl Lane {
    pub(super) fn new(budget: Duration, listener: Option<Arc<dyn Listener>>) -> Self {
        Self {
            timeout: budget.mul_f64(0.9),
            listener,
            open: ArcSwapOption::empty(),
            silent: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            trying: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            wake: Notify::new(),
            tried: watch::Sender::new(false),
            trouble: Mutex::default(),
        }
    }

    /// Whether calls may wait for it.
    pub(super) fn is_usable(&self) -> bool {
        !self.silent.load(Ordering::Acquire) && self.is_open()
    }

    /// Whether there is a connection, be it silent.
    pub(super) fn is_open(&self) -> bool {
        self.open.load().is_some()
    }

    /// A clone of the connection: nothing is held while a command is under way.
    pub(super) fn pick(&self, though_silent: bool) -> Option<Picked<'_>> {
        let is_silent = self.silent.load(Ordering::Acquire);
        if is_silent && !though_silent {
            return None;
        }
        let open = self.open.load();
        let open = open.as_deref()?;
        let mut starts = open.starts;
        if open.grace_until != 0 && ambient::ticks() >= open.grace_until {
            starts.values = starts.server;
        }
        let connection = open.connection.clone();
        Some(Picked { lane: self, number: open.number, is_silent, starts, connection })
    }

    /// The same of one connection.
    pub(super) fn pick_number(&self, number: u64) -> Option<Picked<'_>> {
        self.pick(true).filter(|picked| picked.number == number)
    }

    #[cfg(all(test, unix, feature = "testing"))]
    pub(super) fn number(&self) -> Option<u64> {
        self.open.load().as_deref().map(|open| open.number)
    }

    /// When the server has started.
    pub(super) fn start(&self) -> Option<Millis> {
        self.open.load().as_deref().map(|open| open.starts.server)
    }

    pub(super) async fn first_attempt(&self) {
        // Fails only where the sender is gone, which lives in this lane.
        drop(self.tried.subscribe().wait_for(|tried| *tried).await);
    }

    /// Takes the lane up. It is not used before the server has answered in time.
    pub(super) fn set(&self, open: Open, round_trip: Duration) {
        let grace = if open.starts.values > open.starts.server { millis(GRACE) } else { 0 };
        let grace_until = if grace == 0 { 0 } else { ambient::ticks() + grace };
        let (number, carried) = (open.number, open.carried.0.clone());
        self.heard.store(ambient::ticks(), Ordering::Relaxed);
        self.silent.store(round_trip > self.timeout, Ordering::Release);
        self.hurried.store(false, Ordering::Release);
        self.open.store(Some(Arc::new(Open { grace_until, ..open })));
        self.tried.send_replace(true);
        if carried.is_finished() {
            // Its runtime has ended meanwhile, when there was nothing to take down yet.
            self.end(number);
        }
    }

    /// An attempt has failed.
    pub(super) fn failed(&self, error: String) {
        self.set_trouble(Some(error));
        self.tried.send_replace(true);
    }

    /// Takes the lane down, if it still has this connection.
    pub(super) fn take_down(&self, number: u64) {
        let before = self.open.rcu(|open| open.clone().filter(|open| open.number != number));
        if before.is_some_and(|open| open.number == number) {
            if let Some(listener) = &self.listener {
                listener.lost();
            }
            self.wake.notify_one();
        }
    }

    /// The runtime that carried the connection has ended: that is no fault of the server's, and calls wait for the next
    /// attempt as they have waited for the first.
    pub(super) fn end(&self, number: u64) {
        if self.open.load().as_deref().is_some_and(|open| open.number == number) {
            self.tried.send_replace(false);
            self.take_down(number);
        }
    }

    /// Whether the last connection went down because the runtime that carried it has ended.
    pub(super) fn has_ended(&self) -> bool {
        !*self.tried.borrow()
    }

    /// What a forked child does with the connections of its parent: it leaves them alone.
    pub(super) fn leave_to_parent(&self) {
        // Dropped, they would stir the parent's runtime.
        std::mem::forget(self.open.swap(None));
        // The parent's supervisors wait in this memory, too, and would take what is for ours.
        self.wake.notify_waiters();
        self.silent.store(false, Ordering::Release);
        self.tried.send_replace(false);
        if let Some(listener) = &self.listener {
            listener.lost();
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The server has answered a heartbeat after this time. Whether that is soon enough for calls.
    pub(super) fn answered_after(&self, round_trip: Duration) -> bool {
        let in_time = round_trip <= self.timeout;
        self.silent.store(!in_time, Ordering::Release);
        in_time
    }

    /// A command has waited for so long, and how much of that nothing was heard. One late answer is no silence as long as
    /// others come; where it is one, calls do not wait for the lane, and a heartbeat asks at once.
    pub(super) fn suspect(&self, waited: Duration) -> Duration {
        let heard = ambient::ticks().saturating_sub(self.heard.load(Ordering::Relaxed));
        let silence = Duration::from_millis(heard).min(waited);
        if silence >= self.timeout && !self.silent.swap(true, Ordering::AcqRel) {
            self.set_trouble(Some(format!("nothing was heard for {silence:?}")));
            self.wake.notify_one();
        }
        silence
    }

    fn hear(&self) {
        let now = ambient::ticks();
        // A plain load first: a store for every command would be shared between all cores.
        if self.heard.load(Ordering::Relaxed) != now {
            self.heard.store(now, Ordering::Relaxed);
        }
    }
}

impl Picked<'_> {
    /// Sends a command, alone or `together` with others, and waits for the answer until the deadline.
    pub(super) async fn send<T: FromRedisValue>(
        mut self,
        cmd: Cmd,
        deadline: Deadline,
        together: bool,
    ) -> Result<T, StoreError> {
        let deadline = if self.is_silent { Deadline::after(LEAVES) } else { deadline };
        let answer = cmd.query_async(&mut self.connection);
        let answer = match together {
            true => deadline.bound_together(answer).await,
            false => deadline.bound(answer).await,
        };
        match answer {
            Some(answer) => self.judge(answer),
            None if self.is_silent => Err(StoreError::Timeout),
            None => {
                self.lane.suspect(self.lane.timeout);
                Err(StoreError::Timeout)
            }
        }
    }

    /// The same without a deadline.
    pub(super) async fn ask<T: FromRedisValue>(mut self, cmd: Cmd) -> Result<T, StoreError> {
        let answer = cmd.query_async(&mut self.connection).await;
        self.judge(answer)
    }

    fn judge<T>(&self, answer: Result<T, RedisError>) -> Result<T, StoreError> {
        let error = match answer {
            Ok(answer) => {
                self.lane.hear();
                return Ok(answer);
            }
            Err(error) => error,
        };
        if is_of_server(&error) {
            // The command was not executed, and none will be before the server is another.
            self.lane.take_down(self.number);
            return Err(StoreError::Refused(error));
        }
        if error.is_io_error() || error.is_unrecoverable_error() {
            self.lane.take_down(self.number);
            return Err(StoreError::Disconnected);
        }
        self.lane.hear();
        Err(StoreError::Refused(error))
    }
}
