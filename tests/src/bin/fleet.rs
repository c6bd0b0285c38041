//! One process of a fleet: calls a cached function so often at once, and says how each call ended.
//!
//! Arguments: what the body does, and for how many milliseconds it sleeps. Its runs are counted on the Redis, for all
//! processes together.

use std::{
    env, future,
    panic::resume_unwind,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use cache_runtime::cached;
use cache_tests::worker::{begin, commands, say};
use redis::aio::MultiplexedConnection;
use tokio::{sync::OnceCell, task::AbortHandle};

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let word = |at| env::args().nth(at).expect("an argument");
    Plan { does: word(1), time: Duration::from_millis(word(2).parse().expect("milliseconds")) }
});

struct Plan {
    does: String,
    time: Duration,
}

/// One run of the body, with its number in the fleet.
#[expect(clippy::disallowed_methods, reason = "a body that takes its time")]
async fn run() -> u64 {
    static COUNTER: OnceCell<MultiplexedConnection> = OnceCell::const_new();
    let counter = COUNTER.get_or_init(|| async {
        let client = redis::Client::open(env::var("REDIS_URL").expect("set")).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("a server")
    });
    let mut counter = counter.await.clone();
    let name = format!("{}-runs", env::var("CACHE_NAMESPACE").expect("set"));
    let run: u64 = redis::cmd("INCR").arg(name).query_async(&mut counter).await.expect("a number");
    say(format_args!("begun {run}"));
    if run == 1 && PLAN.does == "first-hangs" {
        future::pending::<()>().await;
    }
    tokio::time::sleep(PLAN.time).await;
    if run == 1 && PLAN.does == "first-panics" {
        // A panic that prints nothing.
        resume_unwind(Box::new("as the test wants"));
    }
    run
}

#[cached(ttl = "5m", key = "value")]
async fn value() -> u64 {
    run().await
}

/// A load that ends with its caller.
#[cached(ttl = "5m", key = "attached", detach = false)]
async fn attached() -> u64 {
    run().await
}

#[cached(ttl = "5m", key = "cloned")]
async fn cloned() -> Result<u64, String> {
    Err(format!("run {}", run().await))
}

/// No copy of it can be handed on.
#[derive(Debug)]
struct Unique(u64);

#[cached(ttl = "5m", key = "unique")]
async fn unique() -> Result<u64, Unique> {
    Err(Unique(run().await))
}

async fn call(function: &str) -> String {
    match function {
        "value" => format!("ok {}", value().await),
        "attached" => format!("ok {}", attached().await),
        "cloned" => cloned().await.map_or_else(|error| format!("failed {error}"), |run| format!("ok {run}")),
        "unique" => {
            unique().await.map_or_else(|Unique(run)| format!("failed run {run}"), |run| format!("ok {run}"))
        }
        other => panic!("no function `{other}`"),
    }
}

/// Says how a call ended and how long it took, also where it was aborted or panicked.
#[expect(clippy::disallowed_methods, reason = "the test judges real time")]
fn spawn(function: &Arc<str>) -> AbortHandle {
    let (started, function) = (Instant::now(), Arc::clone(function));
    let task = tokio::spawn(async move { call(&function).await });
    let handle = task.abort_handle();
    tokio::spawn(async move {
        let outcome = task
            .await
            .unwrap_or_else(|error| if error.is_cancelled() { "aborted" } else { "panicked" }.to_owned());
        say(format_args!("ended {} {outcome}", started.elapsed().as_millis()));
    });
    handle
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    begin(|builder| match env::var("LOAD_TIMEOUT_MS") {
        Ok(timeout) => builder.load_timeout(Duration::from_millis(timeout.parse().expect("milliseconds"))),
        Err(_) => builder,
    })
    .await;
    let mut commands = commands();
    let mut first = None;
    while let Some(command) = commands.recv().await {
        match &*command.iter().map(String::as_str).collect::<Vec<_>>() {
            ["call", function, count] => {
                let function = Arc::from(*function);
                for _ in 0..count.parse().expect("a number") {
                    let call = spawn(&function);
                    first.get_or_insert(call);
                }
            }
            ["abort-first"] => first.as_ref().expect("a call").abort(),
            other => panic!("no command {other:?}"),
        }
    }
}
