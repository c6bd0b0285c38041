//! A stand-in for a version to come: the very scripts and bytes of this one, but for the first byte of an entry.
//!
//! What it stores is what `deploy_old.rs` would understand, if it did not look at that byte.

use std::{env, sync::LazyLock};

use cache_runtime::cached;
use cache_tests::{
    deploy::{Answer, Function, body_runs, serve},
    worker::begin,
};
use redis::{Script, aio::MultiplexedConnection};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

const FORMAT: u8 = 0xC2;
/// Where the body of an entry begins.
const BODY: usize = 42;

macro_rules! script {
    ($file:literal) => {
        LazyLock::new(|| {
            let entry = include_str!("../../../cache-runtime/src/redis/scripts/entry.lua");
            let step = include_str!(concat!("../../../cache-runtime/src/redis/scripts/", $file));
            let next = entry.replacen("= 0xC1,", "= 0xC2,", 1);
            assert_ne!(next, entry, "the first byte is somewhere else now");
            Script::new(&(next + step))
        })
    };
}
static ACQUIRE: LazyLock<Script> = script!("acquire.lua");
static FILL: LazyLock<Script> = script!("fill.lua");
static INVALIDATE: LazyLock<Script> = script!("invalidate.lua");

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Added {
    first: String,
}

#[cached(ttl = "5m", key = "template")]
async fn template() -> Added {
    Added { first: "next".into() }
}

async fn redis() -> MultiplexedConnection {
    static REDIS: OnceCell<MultiplexedConnection> = OnceCell::const_new();
    let redis = REDIS.get_or_init(|| async {
        let client = redis::Client::open(env::var("REDIS_URL").expect("set")).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("a server")
    });
    redis.await.clone()
}

async fn get(key: &str) -> Option<Vec<u8>> {
    redis::cmd("GET").arg(key).query_async(&mut redis().await).await.expect("an answer")
}

/// The body of a value as this version writes it.
async fn body() -> Vec<u8> {
    static BYTES: OnceCell<Vec<u8>> = OnceCell::const_new();
    let bytes = BYTES.get_or_init(|| async {
        template().await;
        get(&template::entry().key().to_string()).await.expect("it is stored").split_off(BODY)
    });
    bytes.await.clone()
}

fn added_key() -> String {
    format!("{}:added", env::var("CACHE_NAMESPACE").expect("set"))
}

/// GET, and on a miss ACQUIRE and FILL.
async fn added() -> &'static str {
    let body = body().await;
    match get(&added_key()).await {
        Some(bytes) if bytes.first() == Some(&FORMAT) => {
            return if bytes.get(BODY..) == Some(&*body) { "its own" } else { "garbage" };
        }
        Some(_) | None => {}
    }
    body_runs();
    let token = [9_u8; 16];
    let answer: Vec<Vec<u8>> = ACQUIRE
        .key(added_key())
        .arg(0)
        .arg(&token)
        .arg("")
        .arg("drop")
        .arg(3_000)
        .invoke_async(&mut redis().await)
        .await
        .expect("an answer");
    assert_eq!(answer, [b"granted".to_vec()], "what is not its own is nothing");
    let stored: u8 = FILL
        .key(added_key())
        .arg(0)
        .arg(&token)
        .arg(body)
        .invoke_async(&mut redis().await)
        .await
        .expect("one");
    if stored == 1 { "its own" } else { "its own, which another version has lost" }
}

async fn invalidate() {
    INVALIDATE.key(added_key()).arg(0).invoke_async::<()>(&mut redis().await).await.expect("an answer");
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    begin(|builder| builder).await;
    let call = || -> Answer { Box::pin(async { added().await.to_owned() }) };
    let write = || -> Answer {
        Box::pin(async {
            invalidate().await;
            "true".to_owned()
        })
    };
    serve(&[Function { name: "added", call, write }]).await;
}
