//! The background task that keeps one lane up, on the cache's own thread.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bb8_redis::{
    bb8,
    redis::{aio::MultiplexedConnection, cmd},
};
use tokio::{
    runtime::Handle,
    sync::oneshot::{self, error::RecvError},
};

use super::{
    Shared,
    handshake::{self, Greeting, Unconnected},
    lane::{Carried, Lane, Open},
};
use crate::{
    ambient::{Deadline, Stopwatch, home},
    error::StoreError,
    redis::{
        pace::{HURRIED_PAUSE, Pace},
        tracked,
    },
};

/// How often a lane is asked whether it is alive, and for the time.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The same while the answers come later than calls can wait.
const HEARTBEAT_OF_LATE: Duration = Duration::from_millis(250);
/// A connection on which nothing has arrived for so long, while something was awaited, is dead: longer than a server stops
/// for the fork of a snapshot, and at least three times as long as a command waits. Calls do not wait for it meanwhile.
const SILENCE: Duration = Duration::from_secs(1);
/// An answer may be there that was not read yet: this process may have been stopped, too.
const SECOND_LOOK: Duration = Duration::from_millis(20);
/// Of a tracked lane: every so many heartbeats it says on the channel that it tracks.
const HEARTBEATS_PER_WORD: u32 = 30;

/// A runtime whose workers run by themselves begins a task within this time: one that does not is that of a forked child's
/// parent, or busy with something else.
const BEGINS: Duration = Duration::from_millis(50);

pub(super) struct Supervisor {
    pub(super) lane: Arc<Lane>,
    pub(super) shared: Arc<Shared>,
}

/// How an attempt to connect has failed.
enum Failure {
    Unconnected(Unconnected),
    /// The runtime of a caller that was to carry the connection has ended, or does not run.
    Host,
}

/// What comes of an attempt where its runtime carries it to the end.
type Connected = Result<(MultiplexedConnection, Greeting), Unconnected>;

/// Takes a lane down when the runtime ends that carries its connection.
struct Sentinel {
    lane: Weak<Lane>,
    number: u64,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.upgrade() {
            lane.end(self.number);
        }
    }
}

impl Supervisor {
    pub(super) async fn run(self) {
        let Self { lane, shared } = &self;
        let (redis, tracked) = (&shared.address, lane.listener.is_some());
        let mut pace = Pace::new(shared.config.budget);
        let mut reported = false;
        // Whether this process may have missed what others did: not at its first connection.
        let (mut was_up, mut was_cut_off) = (false, false);
        let mut at_home = false;
        loop {
            let connected = self.connect(&pace, was_cut_off, at_home).await;
            at_home = matches!(connected, Err(Failure::Host));
            match connected {
                Ok(number) => {
                    tracing::info!(redis, tracked, "connected to Redis");
                    (was_up, was_cut_off, reported) = (true, false, false);
                    let up = Stopwatch::start();
                    self.watch(number).await;
                    if lane.has_ended() {
                        continue;
                    }
                    was_cut_off = true;
                    lane.set_trouble(Some("the connection was lost".to_owned()));
                    tracing::warn!(redis, tracked, "lost a connection to Redis; going on without it");
                    pace.lost(up.elapsed());
                }
                Err(Failure::Host) => continue,
                Err(Failure::Unconnected(Unconnected::Untracked(error))) => {
                    lane.refused.store(true, Ordering::Release);
                    tracing::warn!(
                        redis,
                        %error,
                        "Redis does not tell of changes: the local level is off; set CACHE_COHERENCE=channel in all services"
                    );
                    return;
                }
                Err(Failure::Unconnected(Unconnected::Failed(error))) => {
                    if !reported {
                        tracing::warn!(
                            redis,
                            error,
                            tracked,
                            "no Redis; running without it, and trying again"
                        );
                        reported = true;
                    }
                    was_cut_off = was_up;
                    lane.failed(error);
                    pace.failed();
                }
            }
            self.pause(pace.pause()).await;
        }
    }

    /// Something that waits for the connection cuts it short.
    async fn pause(&self, pause: Duration) {
        let begun = Stopwatch::start();
        loop {
            let is_hurried = self.lane.hurried.load(Ordering::Acquire);
            let pause = if is_hurried { pause.min(HURRIED_PAUSE) } else { pause };
            let left = pause.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            Deadline::after(left).bound(self.lane.wake.notified()).await;
        }
    }

    /// One attempt, after which the lane is up. The number of its connection.
    async fn connect(&self, pace: &Pace, was_cut_off: bool, at_home: bool) -> Result<u64, Failure> {
        self.lane.trying.store(true, Ordering::Relaxed);
        let at_most = pace.attempt(self.shared.round_trip(), self.lane.hurried.load(Ordering::Acquire));
        let attempt = self.attempt(at_most, was_cut_off, at_home).await;
        self.lane.trying.store(false, Ordering::Relaxed);
        let (open, round_trip) = attempt?;
        let number = open.number;
        if let Some(listener) = &self.lane.listener {
            listener.up();
        }
        self.lane.set_trouble(None);
        self.lane.set(open, round_trip);
        Ok(number)
    }

    async fn attempt(
        &self,
        at_most: Duration,
        was_cut_off: bool,
        at_home: bool,
    ) -> Result<(Open, Duration), Failure> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let failed = |error| Failure::Unconnected(Unconnected::Failed(error));
        let host = if at_home { home::handle() } else { self.shared.hosts.choose() };
        let Some(host) = host else {
            return Err(failed("the system refuses a thread".to_owned()));
        };
        let begun = Stopwatch::start();
        let has_begun = Arc::new(AtomicBool::new(false));
        let (carried, mut connected) = self.carry(&host, number, Arc::clone(&has_begun));
        let mut answer = Deadline::of(begun, at_most.min(BEGINS)).bound(&mut connected).await;
        if answer.is_none() {
            if !has_begun.load(Ordering::Acquire) && self.shared.hosts.leave(&host) {
                return Err(Failure::Host);
            }
            answer = Deadline::of(begun, at_most).bound(&mut connected).await;
        }
        match answer {
            Some(Ok(Ok((connection, greeting)))) => {
                self.shared.learn(&greeting);
                let starts = self.shared.starts(&greeting, was_cut_off);
                let open = Open { number, connection, starts, grace_until: 0, carried };
                Ok((open, greeting.round_trip))
            }
            Some(Ok(Err(error))) => Err(Failure::Unconnected(error)),
            Some(Err(RecvError { .. })) if self.shared.hosts.leave(&host) => Err(Failure::Host),
            Some(Err(RecvError { .. })) => Err(failed("the attempt has panicked".to_owned())),
            None => Err(failed(format!("no answer within {at_most:?}"))),
        }
    }

    /// Begins a connection on this runtime, which carries it from then on.
    fn carry(
        &self,
        host: &Handle,
        number: u64,
        has_begun: Arc<AtomicBool>,
    ) -> (Carried, oneshot::Receiver<Connected>) {
        let (answer, connected) = oneshot::channel();
        let sentinel = Sentinel { lane: Arc::downgrade(&self.lane), number };
        let listener = self.lane.listener.clone();
        let shared = Arc::clone(&self.shared);
        let task = host.spawn(async move {
            has_begun.store(true, Ordering::Release);
            let connecting = async {
                let connection = match &listener {
                    None => shared.pool.dedicated_connection().await?,
                    Some(listener) => {
                        let lane = sentinel.lane.clone();
                        let gone = move || lane.upgrade().into_iter().for_each(|lane| lane.take_down(number));
                        let connector = shared.connector.telling(tracked::teller(Arc::clone(listener), gone));
                        // A server that does not know the protocol in which it would tell has no tracking either.
                        let connecting = bb8::ManageConnection::connect(&connector).await;
                        connecting.map_err(handshake::untracked)?
                    }
                };
                let greeting =
                    handshake::greet(&connection, listener.is_some(), shared.says.as_ref()).await?;
                Ok((connection, greeting))
            };
            if answer.send(connecting.await).is_ok() {
                std::future::pending::<()>().await;
            }
            drop(sentinel);
        });
        (Carried(task.abort_handle()), connected)
    }

    /// Returns when the lane is down.
    async fn watch(&self, number: u64) {
        let mut late = u32::from(!self.lane.is_usable());
        for beat in 1_u32.. {
            let pause = match late {
                0 => HEARTBEAT,
                // It may be over: a server that has stopped for a moment.
                1 => Duration::ZERO,
                _ => HEARTBEAT_OF_LATE,
            };
            Deadline::after(pause).bound(self.lane.wake.notified()).await;
            let Some(round_trip) = self.beat(number).await else { return };
            self.shared.note_round_trip(round_trip);
            if self.lane.answered_after(round_trip) {
                late = 0;
                self.lane.set_trouble(None);
            } else {
                late += 1;
                if late > 1 {
                    let (answered, budget) = (round_trip, self.lane.timeout);
                    let trouble = format!("Redis answers after {answered:?}, and calls wait for {budget:?}");
                    self.lane.set_trouble(Some(trouble));
                }
            }
            if beat.is_multiple_of(HEARTBEATS_PER_WORD) {
                self.say(number).await;
            }
        }
    }

    /// Asks for the time and waits for the answer. Where nothing at all arrives the lane goes down: `None`.
    async fn beat(&self, number: u64) -> Option<Duration> {
        let lane = &*self.lane;
        let sent = Stopwatch::start();
        let beating = self.is_alive(number);
        let mut beating = std::pin::pin!(beating);
        let longest = SILENCE.max(lane.timeout.saturating_mul(3));
        let mut patience = lane.timeout;
        let mut is_second_look = false;
        loop {
            let answered = tokio::select! {
                answered = Deadline::of(sent, patience).bound(&mut beating) => answered,
                // Looks whether the connection is still there.
                () = lane.wake.notified() => None,
            };
            match answered {
                Some(true) => return Some(sent.elapsed()),
                Some(false) => return None,
                None => {}
            }
            lane.pick_number(number)?;
            let waited = sent.elapsed();
            let silence = lane.suspect(waited);
            patience = if waited < lane.timeout {
                lane.timeout
            } else if silence < longest {
                waited + (longest - silence)
            } else if is_second_look {
                lane.take_down(number);
                return None;
            } else {
                is_second_look = true;
                waited + SECOND_LOOK
            };
        }
    }

    /// Whether the server has answered, be it with an error.
    async fn is_alive(&self, number: u64) -> bool {
        let Some(picked) = self.lane.pick_number(number) else { return false };
        let sent = Stopwatch::start();
        match picked.ask(cmd("TIME")).await {
            Ok(time) => self.shared.set_time(handshake::millis(time)),
            Err(StoreError::Refused(_)) => {}
            Err(_) => return false,
        }
        if let Some(listener) = &self.lane.listener {
            listener.alive(sent);
        }
        true
    }

    async fn say(&self, number: u64) {
        if let (Some(says), Some(picked)) = (&self.shared.says, self.lane.pick_number(number)) {
            let saying = Deadline::after(self.lane.timeout).bound(picked.ask(says.clone()));
            if let Some(Ok(heard_by)) = saying.await {
                self.shared.note_listeners(heard_by);
            }
        }
    }
}
