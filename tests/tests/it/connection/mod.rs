//! The connections to Redis: which runtime carries them, what a moment of silence does to them, and what they wait for.

mod far;
mod hiccups;
mod outage;
mod runtimes;
mod start;

use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, cached, testing::server::RedisServer};

use crate::support::Runs;

/// Machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(5);

#[cached(ttl = "5m", key = "connected:<id>", skip = [runs])]
async fn get(id: u64, runs: &Runs) -> u64 {
    runs.one_more();
    id
}

/// A cache whose calls do not give up on Redis because the machine is slow.
fn patient(url: &str) -> CacheBuilder {
    Cache::builder().redis(url).unwrap().budget(PATIENCE)
}

/// The numbers of the connections that a server has, without the kit's.
fn connections(server: &RedisServer) -> Vec<u64> {
    let field = |line: &str| line.split(' ').find_map(|field| field.strip_prefix("id=")?.parse().ok());
    let own: u64 = server.command(&["CLIENT", "ID"]);
    let clients = server.cli(&["CLIENT", "LIST"]);
    let mut ids: Vec<u64> = clients.lines().filter_map(field).filter(|id| *id != own).collect();
    ids.sort_unstable();
    ids
}
