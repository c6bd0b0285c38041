//! What a call asks of Redis, to the command; and how often it waits for an answer.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{Cache, cached, testing::server::RedisServer};

use crate::support::{Runs, wait_until_its_start_is_past};

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [runs])]
async fn get_user(id: u64, runs: &Runs) -> u64 {
    runs.one_more();
    id
}

#[cached(ttl = "FREQUENT", key = "users:leaderboard")]
async fn top_users() -> Vec<u64> {
    vec![]
}

#[cached(ttl = "STANDARD", key = "user:<id>", invalidates = [top_users()])]
async fn update_user(id: u64) -> u64 {
    id + 1
}

#[cached(invalidates = [get_user(id)])]
async fn delete_user(id: u64) {}

/// A proxy in front of a server that counts how often the client speaks after the server has answered.
struct Proxy {
    url: String,
    turns: Arc<AtomicU64>,
}

impl Proxy {
    /// Accepts one connection: the cache has one lane.
    fn start(server: &RedisServer) -> Self {
        let address = server.url().trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let turns = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&turns);
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let upstream = TcpStream::connect(address.split('/').next().unwrap()).unwrap();
            let answered = Arc::new(AtomicBool::new(true));
            let back = {
                let (upstream, client) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                let answered = Arc::clone(&answered);
                std::thread::spawn(move || copy(upstream, client, |_| answered.store(true, Ordering::SeqCst)))
            };
            copy(client, upstream, |bytes| {
                // The heartbeat of the lane asks for the time, and is none of the call's.
                let heartbeat = bytes.windows(4).any(|window| window == b"TIME");
                if !heartbeat && answered.swap(false, Ordering::SeqCst) {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
            back.join().unwrap();
        });
        Self { url, turns }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&[u8])) {
    from.set_nodelay(true).unwrap();
    to.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
    {
        seen(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(std::net::Shutdown::Both));
}

/// The commands of a call without those that scripts run, and its round trips.
async fn cost<T>(
    server: &RedisServer,
    proxy: &Proxy,
    call: impl Future<Output = T>,
) -> (BTreeMap<String, u64>, u64) {
    // The heartbeat of the lane, every second, shall not fall into the measurement.
    server.reset_counts();
    let before = proxy.turns.load(Ordering::SeqCst);
    call.await;
    let turns = proxy.turns.load(Ordering::SeqCst) - before;
    let mut counts = server.command_counts();
    counts.remove("time");
    (counts, turns)
}

fn count(counts: &BTreeMap<String, u64>, command: &str) -> u64 {
    counts.get(command).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_costs_what_the_documentation_says() {
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let builder = Cache::builder().redis(&proxy.url).unwrap();
    let cache = builder.lanes(1).budget(Duration::from_secs(5)).build().unwrap();
    cache
        .scope(async {
            let runs = Runs::default();
            // All scripts are known to the server from here on.
            get_user(1, &runs).await;
            update_user(1).await;
            delete_user(1).await;

            let (commands, turns) = cost(&server, &proxy, get_user(2, &runs)).await;
            assert_eq!(count(&commands, "evalsha"), 2, "a miss: ACQUIRE and FILL {commands:?}");
            assert_eq!(turns, 3, "two round trips before the body and one after it");

            let (commands, turns) = cost(&server, &proxy, get_user(2, &runs)).await;
            assert_eq!(commands, BTreeMap::from([("get".to_owned(), 1)]), "a hit: GET and nothing else");
            assert_eq!(turns, 1);

            let (commands, turns) = cost(&server, &proxy, delete_user(2)).await;
            assert_eq!(count(&commands, "evalsha"), 1, "a plain write: INVALIDATE {commands:?}");
            assert_eq!(turns, 1);

            let (commands, turns) = cost(&server, &proxy, update_user(2)).await;
            assert_eq!(count(&commands, "evalsha"), 3, "a fenced write: BEGIN, END, INVALIDATE {commands:?}");
            assert_eq!(turns, 2);

            let (commands, _) = cost(&server, &proxy, get_user::uncached(2, &runs)).await;
            assert_eq!(commands, BTreeMap::new());
        })
        .await;
}
