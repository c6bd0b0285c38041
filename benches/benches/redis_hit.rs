//! A hit on Redis through `#[cached]`, beside the `GET` and the decoding that one would write by hand.
//!
//! Both read the same values from one server, with the same codec. The contenders take turns within one run, and who
//! begins changes from round to round, so that whatever else the machine does hits both. The hand-written one runs
//! twice in each round: how much it differs from itself is the noise.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_benches::{
    Arguments, Machine, Section, Spread, Stopwatch,
    film::{Film, LoadError},
    sleep,
};
use cache_runtime::{Cache, cached, testing::server::RedisServer};
use redis::{AsyncCommands as _, aio::MultiplexedConnection};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(400);
const CALLERS: [usize; 3] = [1, 50, 500];
/// So many entries, read in turn.
const FILMS: u64 = 1_000;

/// How often a body ran: in the end once for each film.
static LOADED: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = "STANDARD", key = "film:<id>")]
async fn film(id: u64) -> Result<Film, LoadError> {
    LOADED.fetch_add(1, Ordering::Relaxed);
    Ok(Film::of(id))
}

async fn film_by_hand(connection: &mut MultiplexedConnection, id: u64) -> Film {
    let bytes: Option<Vec<u8>> = connection.get(by_hand_key(id)).await.expect("Redis answers");
    rmp_serde::from_slice(&bytes.expect("the film is stored")).expect("it is a film")
}

fn by_hand_key(id: u64) -> String {
    format!("by-hand:film:{id}")
}

/// Who is measured.
#[derive(Clone, Copy, Debug)]
enum Contender {
    Cached,
    ByHand,
    /// The same a second time.
    Noise,
}

const ORDERS: [[Contender; 3]; 4] = [
    [Contender::ByHand, Contender::Cached, Contender::Noise],
    [Contender::Cached, Contender::ByHand, Contender::Noise],
    [Contender::Noise, Contender::Cached, Contender::ByHand],
    [Contender::Noise, Contender::ByHand, Contender::Cached],
];

/// Calls per second of each contender in one round.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    cached: f64,
    by_hand: f64,
    noise: f64,
}

fn main() {
    let arguments = Arguments::of_process();
    let callers: Vec<usize> =
        CALLERS.into_iter().filter(|callers| arguments.want(&format!("redis_hit/{callers}"))).collect();
    if callers.is_empty() {
        return;
    }
    let server = RedisServer::builder().tcp().start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts");
    let measured = runtime.block_on(measure(&server, &callers));
    publish(&measured, callers.len() == CALLERS.len());
}

async fn measure(server: &RedisServer, callers: &[usize]) -> Vec<(usize, Vec<Round>)> {
    let client = redis::Client::open(server.url()).expect("the address is one of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    Cache::connect(&server.url()).expect("the address is one of Redis").install().expect("it is the first");
    for id in 0..FILMS {
        let () = connection
            .set_ex(by_hand_key(id), Film::encode(&Film::of(id)), 3_600)
            .await
            .expect("Redis stores");
    }
    fill().await;
    // Values written in the second of the server's start, or the one after, are void: so a second time.
    sleep(Duration::from_millis(2_500)).await;
    fill().await;
    let loaded = LOADED.load(Ordering::Relaxed);
    fill().await;
    assert_eq!(LOADED.load(Ordering::Relaxed), loaded, "every film is stored");

    for contender in ORDERS[0] {
        rate(contender, &connection, 50, ROUND).await;
    }
    let mut measured: Vec<_> = callers.iter().map(|callers| (*callers, Vec::new())).collect();
    for round in 0..ROUNDS {
        for (callers, rounds) in &mut measured {
            let mut rates = Round::default();
            for contender in ORDERS[round % ORDERS.len()] {
                let rate = rate(contender, &connection, *callers, ROUND).await;
                match contender {
                    Contender::Cached => rates.cached = rate,
                    Contender::ByHand => rates.by_hand = rate,
                    Contender::Noise => rates.noise = rate,
                }
            }
            rounds.push(rates);
        }
    }
    assert_eq!(LOADED.load(Ordering::Relaxed), loaded, "no body ran while it was measured");
    measured
}

async fn fill() {
    for id in 0..FILMS {
        assert_eq!(film(id).await.map(|film| film.id).ok(), Some(id));
    }
}

/// Calls per second of so many callers, each of which calls again as soon as it has its answer.
async fn rate(
    contender: Contender,
    connection: &MultiplexedConnection,
    callers: usize,
    time: Duration,
) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let watch = Stopwatch::start();
    let tasks: Vec<_> = (0..callers as u64)
        .map(|caller| {
            let mut connection = connection.clone();
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::Relaxed) {
                    let id = (caller * 7 + calls) % FILMS;
                    let film = match contender {
                        Contender::Cached => film(id).await.expect("the film is stored"),
                        Contender::ByHand | Contender::Noise => film_by_hand(&mut connection, id).await,
                    };
                    assert_eq!(film.id, id);
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for task in tasks {
        calls += task.await.expect("no caller fails");
    }
    calls as f64 / watch.elapsed().as_secs_f64()
}

fn publish(measured: &[(usize, Vec<Round>)], complete: bool) {
    let mut section = Section::new(
        "redis_hit",
        &[
            "callers",
            "`#[cached]` / by hand",
            "quartiles",
            "noise: by hand / by hand",
            "quartiles",
            "`#[cached]` calls/s",
            "by hand calls/s",
        ],
    );
    for (callers, rounds) in measured {
        let over_rounds = |value: fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
        let ratio = over_rounds(|round| round.cached / ((round.by_hand + round.noise) / 2.0));
        let noise = over_rounds(|round| round.noise / round.by_hand);
        section.row(&[
            callers.to_string(),
            format!("**{:.2}**", ratio.median),
            ratio.to_string(),
            format!("{:.2}", noise.median),
            noise.to_string(),
            format!("{:.0}", over_rounds(|round| round.cached).median),
            format!("{:.0}", over_rounds(|round| round.by_hand).median),
        ]);
    }
    section.note(format!(
        "Medians of {ROUNDS} rounds of {} ms per contender; {FILMS} entries of {} bytes. The target is 1.0 at each \
         number of callers, within the noise.",
        ROUND.as_millis(),
        Film::encode(&Film::of(0)).len(),
    ));
    section.publish(&Machine::this().with_redis(), complete);
}
