use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_runtime::{Cache, HealthState, cached, testing::server::RedisServer};
use tokio::time::sleep;

use crate::support::{Runs, eventually, wait_until_its_start_is_past};

/// A proxy that holds scripts back while it is told to, or delays everything; look-ups pass.
struct Proxy {
    url: String,
    holds: Arc<AtomicBool>,
    delay: Arc<AtomicU64>,
}

impl Proxy {
    fn start(server: &RedisServer) -> Self {
        let address = server.url().trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (holds, delay) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let proxy = Self { url, holds: Arc::clone(&holds), delay: Arc::clone(&delay) };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { break };
                let Ok(server) = TcpStream::connect(&address) else { continue };
                let (back, front) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pump(back, front, |_| {}));
                let (holds, delay) = (Arc::clone(&holds), Arc::clone(&delay));
                std::thread::spawn(move || {
                    pump(client, server, |bytes| {
                        let is_script = bytes.windows(4).any(|window| window == b"EVAL");
                        while is_script && holds.load(SeqCst) {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        std::thread::sleep(Duration::from_millis(delay.load(SeqCst)));
                    });
                });
            }
        });
        proxy
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut before: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
    {
        before(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

/// The caller's budget ended before the steps had noted that they were not acknowledged: the next read in the same
/// process got the old value, in 15 of 15 rounds.
async fn a_write_that_was_not_acknowledged_is_covered_when_it_returns() {
    static ROW: AtomicU64 = AtomicU64::new(0);
    #[cached(ttl = "STANDARD", key = "covered:<id>")]
    async fn get(id: u64) -> u64 {
        ROW.load(SeqCst) + id - id
    }
    #[cached(invalidates = [get(id)])]
    async fn put(id: u64) {
        ROW.fetch_add(1, SeqCst);
    }
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let cache = Cache::connect(&proxy.url).unwrap();
    let rounds = async {
        for id in 0..10 {
            proxy.holds.store(false, SeqCst);
            eventually("the cache is in use", async || {
                get(id).await;
                let health = cache.health();
                health.recovery_queue == 0
                    && health.state == HealthState::Connected
                    && get::entry(&id).peek().await.is_some()
            })
            .await;
            proxy.holds.store(true, SeqCst);
            put(id).await;
            assert_eq!(get(id).await, ROW.load(SeqCst), "round {id}");
            proxy.holds.store(false, SeqCst);
            sleep(Duration::from_millis(150)).await;
        }
    };
    cache.scope(rounds).await;
}

#[tokio::test]
async fn a_write_that_was_not_acknowledged_is_covered_on_one_thread() {
    a_write_that_was_not_acknowledged_is_covered_when_it_returns().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_not_acknowledged_is_covered_on_two_threads() {
    a_write_that_was_not_acknowledged_is_covered_when_it_returns().await;
}

/// A write that was dropped while it announced itself left its key fenced for three seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_never_began_leaves_no_fence() {
    #[cached(ttl = "5m", key = "announced", skip = [runs])]
    async fn get(runs: &Runs) -> u64 {
        runs.one_more()
    }
    #[cached(ttl = "5m", key = "announced", invalidates = ["announced:other"])]
    async fn put() -> u64 {
        sleep(Duration::from_secs(1)).await;
        1
    }
    let server = RedisServer::builder().tcp().start();
    wait_until_its_start_is_past(&server);
    let proxy = Proxy::start(&server);
    let cache = Cache::builder().redis(&proxy.url).unwrap().lanes(1).build().unwrap();
    let runs = Runs::default();
    let is_stored = async || {
        get(&runs).await;
        get::entry().peek().await.is_some()
    };
    cache
        .scope(async {
            eventually("the cache is in use", is_stored).await;
            put().await;
            get::entry().invalidate().await;
            proxy.delay.store(40, SeqCst);
            assert!(tokio::time::timeout(Duration::from_millis(20), put()).await.is_err());
            sleep(Duration::from_millis(300)).await;
            proxy.delay.store(0, SeqCst);
            sleep(Duration::from_millis(300)).await;
            let started = Instant::now();
            eventually("it is stored again", is_stored).await;
            assert!(started.elapsed() < Duration::from_millis(1_000), "{:?}", started.elapsed());
        })
        .await;
}
