//! A film catalogue with user ratings, on real records: what `#[cached]` looks like in a service.
//!
//! Read it from here down:
//!
//! 1. this file starts and stops the parts;
//! 2. [`settings`] reads the environment;
//! 3. [`database`] opens SQLite, [`import`] fills it at the first start;
//! 4. [`service`] holds what the service can do, and **every line about caching**;
//! 5. [`http`] turns requests into calls of `service`, and errors into JSON.

mod database;
mod http;
mod import;
mod service;
mod settings;
mod startup;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use cache_runtime::CacheBuilder;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};

use crate::{
    settings::Settings,
    startup::{Signals, StartError},
};

/// How long requests that have begun may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(io::stderr).init();

    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`: it panics where nobody reads standard error any more.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), StartError> {
    let settings = Settings::from_env()?;
    let cache = CacheBuilder::from_env().map_err(StartError::Cache)?;
    // First of all, so that a Ctrl-C during the start is not lost, nor one right after the banner.
    let mut signals = Signals::listen()?;
    // Before the cache: a metric that is recorded without a recorder is gone.
    let metrics = startup::install_metrics()?;

    // Before the import: a port that is taken should not cost the user a wait.
    let listener = startup::bind(settings.port).await?;
    let pool = database::open(&settings.database_path).await?;
    let films = import::import_once(&pool).await?;

    let namespace = database::identity(&pool).await.map_err(StartError::Import)?;
    let cache = startup::install_cache(cache, &namespace).await?;

    let app = http::router(http::App { pool: pool.clone(), cache: cache.clone(), metrics });
    startup::greet(&settings, &listener, films, &cache)?;
    serve(listener, app, &mut signals).await?;

    // What outlives its request: an invalidation whose client hung up, or that Redis has not acknowledged.
    if !cache.shutdown(GRACE).await {
        tracing::warn!(cache = %cache.health(), "the cache had work left after {GRACE:?}");
    }
    pool.close().await;
    let _ = write!(io::stdout(), "{}", cache.report());
    Ok(())
}

/// Answers requests until a signal comes, and then for as long as those under way take, at most [`GRACE`].
async fn serve(listener: TcpListener, app: axum::Router, signals: &mut Signals) -> Result<(), StartError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        // An error means that the sender is gone, which is the signal.
        let _ = stopped.await;
    });
    let mut server = std::pin::pin!(server.into_future());

    tokio::select! {
        result = &mut server => return result.map_err(StartError::Serve),
        () = signals.recv() => drop(stop),
    }
    let _ = writeln!(io::stdout(), "stopping");
    match timeout(GRACE, server).await {
        Ok(result) => result.map_err(StartError::Serve),
        Err(_) => {
            tracing::warn!("requests were still open after {GRACE:?} and are cut off");
            Ok(())
        }
    }
}
