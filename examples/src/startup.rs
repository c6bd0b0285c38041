//! The parts of the start that can go wrong, each with a message that says what to do about it.

use std::{
    ffi::OsString,
    io::{self, ErrorKind, Write},
    net::Ipv4Addr,
    path::PathBuf,
    time::Duration,
};

use cache_runtime::{Cache, CacheBuilder, HealthState};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, time};

use crate::{import::Films, settings::Settings};

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(
        "PORT is {0:?}, which is no port\nhelp: take a number from 0 to 65535: PORT=3001 cargo run -p examples"
    )]
    BadPort(OsString),
    #[error("port {0} is already in use\nhelp: stop the other program, or take another port: PORT={other} cargo run -p examples", other = other_port(*.0))]
    PortInUse(u16),
    #[error("failed to listen on port {port}: {source}\nhelp: take another port: PORT={other} cargo run -p examples", other = other_port(*.port))]
    Listen { port: u16, source: io::Error },
    #[error("failed to open the database {}: {source}\nhelp: choose a file that you may write: DATABASE_PATH=/tmp/films.sqlite cargo run -p examples", .path.display())]
    Database { path: PathBuf, source: sqlx::Error },
    #[error("failed to import the films: {0}")]
    Import(#[source] sqlx::Error),
    #[error("failed to read the film records: {0}")]
    Records(#[source] serde_json::Error),
    #[error("failed to set up the cache: {0}")]
    Cache(#[source] cache_runtime::Error),
    #[error("failed to set up the metrics: {0}")]
    Metrics(#[source] BuildError),
    #[error("failed to wait for signals: {0}")]
    Signals(#[source] io::Error),
    #[error("failed to serve: {0}")]
    Serve(#[source] io::Error),
}

fn other_port(port: u16) -> u16 {
    // Below 1024 the next one is no better: those need a privilege.
    if port < 1024 { 3000 } else { port.checked_add(1).unwrap_or(3000) }
}

/// Listens on this machine only: the example asks nobody for a password.
pub(crate) async fn bind(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => StartError::PortInUse(port),
        _ => StartError::Listen { port, source },
    })
}

/// Makes Prometheus' recorder the one that the `metrics` macros write to.
pub(crate) fn install_metrics() -> Result<PrometheusHandle, StartError> {
    const SECONDS: &[f64] =
        &[1e-6, 1e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0, 5.0];
    const BYTES: &[f64] = &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];
    let suffix = |suffix: &str| Matcher::Suffix(suffix.to_owned());
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(suffix("_seconds"), SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_bytes"), BYTES))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(StartError::Metrics)?;

    // Without its own web server the recorder leaves this to us: else what histograms have seen piles up
    // until somebody asks for `/metrics`.
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        let mut tick = time::interval(Duration::from_secs(5));
        loop {
            tick.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(metrics)
}

/// Makes the cache that the environment asks for the one of this process.
///
/// Does not fail where Redis is out of reach: the service runs without its cache and uses it once it is there.
pub(crate) async fn install_cache(builder: CacheBuilder, namespace: &str) -> Result<Cache, StartError> {
    let cache = builder.namespace(namespace).and_then(CacheBuilder::build).map_err(StartError::Cache)?;
    cache.clone().install().map_err(StartError::Cache)?;
    // Only for the banner, which says whether Redis answers. Waits for a tenth of a second at most.
    cache.connected().await;
    Ok(cache)
}

/// Says what runs, where, on what, and what to type next.
pub(crate) fn greet(
    settings: &Settings,
    listener: &TcpListener,
    films: Films,
    cache: &Cache,
) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(StartError::Serve)?;
    let database = &settings.database_path;
    let database = std::path::absolute(database).unwrap_or_else(|_| database.clone());
    let Films { count, new } = films;
    let origin = if new { "imported just now" } else { "imported earlier" };
    let text = format!(
        r#"films: a catalogue that users rate, with every read of it behind #[cached]
  database   {database} ({count} films, {origin})
  cache      {cache}
  listening  http://{address}
  metrics    http://{address}/metrics

Try:
  curl http://{address}/api/films/top
  curl -H 'content-type: application/json' -d '{{"name":"Ada"}}' http://{address}/api/users
  curl -H 'content-type: application/json' -d '{{"user_id":1,"stars":7}}' http://{address}/api/films/842/ratings

Then the first line again: the rating is there. Ctrl-C stops it.
"#,
        database = database.display(),
        cache = cache_line(cache),
    );
    // Not `print!`: it panics where nobody reads standard output any more (`cargo run | head`).
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(())
}

/// Where the cache is. The address comes without the password.
fn cache_line(cache: &Cache) -> String {
    let health = cache.health();
    match (health.state, health.trouble) {
        (HealthState::Disconnected, Some(trouble)) => {
            format!("{} does not answer ({trouble}); running without it until it does", health.store)
        }
        (HealthState::Disconnected, None) => {
            format!("{} does not answer; running without it until it does", health.store)
        }
        _ if health.store == "in process" => {
            "in process (REDIS_URL=redis://127.0.0.1:6379 would share it with other processes)".to_owned()
        }
        _ => health.store,
    }
}

/// Ctrl-C and, on Unix, SIGTERM, which is what service managers and containers send.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From this call on a signal waits to be read, and no longer ends the process.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, StartError> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(StartError::Signals)?,
            terminate: signal(SignalKind::terminate()).map_err(StartError::Signals)?,
        })
    }

    /// From [`recv`](Self::recv) on a Ctrl-C no longer ends the process.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self, StartError> {
        Ok(Self {})
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next signal.
    #[cfg(not(unix))]
    pub(crate) async fn recv(&mut self) {
        // An error says that no signal can be waited for: then the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
