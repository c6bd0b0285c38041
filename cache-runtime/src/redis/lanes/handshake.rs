//! The beginning of a connection: what the server says of itself, asked for in one round trip.

use std::time::Duration;

use bb8_redis::redis::{Cmd, ErrorKind, RedisError, aio::MultiplexedConnection, cmd};
use futures_util::future::{OptionFuture, join5};

use crate::{
    ambient::Stopwatch,
    domain::entry::Millis,
    redis::{report::Report, tracked},
};

/// What a server has said.
#[derive(Debug)]
pub(super) struct Greeting {
    /// `None`: it does not tell.
    pub(super) report: Option<Report>,
    /// `None`: it does not tell.
    pub(super) time: Option<Millis>,
    pub(super) round_trip: Duration,
    /// How many have heard what was said.
    pub(super) heard_by: u64,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Unconnected {
    /// The server does not tell of changes, and will not.
    Untracked(RedisError),
    /// Anything else.
    Failed(String),
}

impl From<RedisError> for Unconnected {
    fn from(error: RedisError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Whether the server knows no such command (it may be renamed), or this user may not give it.
pub(super) fn is_forbidden(error: &RedisError) -> bool {
    let is_unknown = || error.detail().is_some_and(|detail| detail.contains("nknown"));
    match error.code() {
        Some("NOPERM" | "NOPROTO") => true,
        Some("ERR") => is_unknown(),
        _ => error.kind() == ErrorKind::RESP3NotSupported,
    }
}

fn unless_forbidden<T>(answer: Result<T, RedisError>) -> Result<Option<T>, RedisError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is_forbidden(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Learns the server's state, start and clock before the first command of a call is sent; `says` is for others.
pub(super) async fn greet(
    connection: &MultiplexedConnection,
    is_tracked: bool,
    says: Option<&Cmd>,
) -> Result<Greeting, Unconnected> {
    let [mut one, mut two, mut three, mut four, mut five] = std::array::from_fn(|_| connection.clone());
    let (info, mut name) = (cmd("INFO"), cmd("CLIENT"));
    name.arg("SETINFO").arg("LIB-NAME").arg("cache-runtime");
    let sent = Stopwatch::start();
    // They are sent in this order, in one write. The time after the uptime: were it asked for first, a second that ticks in
    // between would put the start too early.
    let answers = join5(
        info.query_async(&mut one),
        time(&mut two),
        OptionFuture::from(is_tracked.then(|| tracked::begin(&mut three))),
        OptionFuture::from(says.map(|says| says.query_async::<u64>(&mut four))),
        // Servers before 7.2 do not know it.
        name.exec_async(&mut five),
    );
    let (report, time, tracking, heard_by, _) = answers.await;
    let report = unless_forbidden(report)?.map(Report::new);
    if let Some(report) = &report {
        report.fit().map_err(Unconnected::Failed)?;
    }
    if let Some(Err(error)) = tracking {
        return Err(untracked(error));
    }
    Ok(Greeting {
        report,
        time: unless_forbidden(time)?,
        round_trip: sent.elapsed(),
        heard_by: heard_by.and_then(Result::ok).unwrap_or(0),
    })
}

/// The time by the server's clock.
async fn time(connection: &mut MultiplexedConnection) -> Result<Millis, RedisError> {
    cmd("TIME").query_async(connection).await.map(millis)
}

/// Of the answer of `TIME`.
pub(super) fn millis((seconds, micros): (u64, u64)) -> Millis {
    seconds.saturating_mul(1_000).saturating_add(micros / 1_000)
}

/// A failure on the way to a connection on which the server tells of changes.
pub(super) fn untracked(error: RedisError) -> Unconnected {
    if is_forbidden(&error) { Unconnected::Untracked(error) } else { error.into() }
}

impl Greeting {
    /// The server's time, where it tells it in any way.
    pub(super) fn now(&self) -> Option<Millis> {
        self.time.or_else(|| self.report.as_ref()?.time())
    }

    /// A moment that is certainly not before the server's start; 0 where nothing from before its start can be there.
    pub(super) fn server_start(&self, now: Millis) -> Millis {
        match &self.report {
            // Both are whole seconds: one more is certainly not before the start.
            Some(report) if !report.began_empty() => {
                (now / 1_000).saturating_sub(report.uptime()).saturating_add(1) * 1_000
            }
            _ => 0,
        }
    }
}
