//! A version of a service; `deploy_new.rs` is the next one.

use cache_runtime::cached;
use cache_tests::{
    deploy::{body_runs, serve},
    functions,
    worker::begin,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Added {
    first: String,
}

#[cached(ttl = "5m", key = "added")]
async fn added() -> Added {
    body_runs();
    Added { first: "old".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Removed {
    first: String,
    age: u8,
}

#[cached(ttl = "5m", key = "removed")]
async fn removed() -> Removed {
    body_runs();
    Removed { first: "old".into(), age: 1 }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Renamed {
    first: String,
    last: String,
}

#[cached(ttl = "5m", key = "renamed")]
async fn renamed() -> Renamed {
    body_runs();
    Renamed { first: "old".into(), last: "old".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Retyped {
    first: String,
    age: u8,
}

#[cached(ttl = "5m", key = "retyped")]
async fn retyped() -> Retyped {
    body_runs();
    Retyped { first: "old".into(), age: 1 }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reordered {
    first: String,
    last: String,
}

#[cached(ttl = "5m", key = "reordered")]
async fn reordered() -> Reordered {
    body_runs();
    Reordered { first: "old first".into(), last: "old last".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reshaped {
    first: String,
}

#[cached(ttl = "5m", key = "reshaped")]
async fn reshaped() -> Reshaped {
    body_runs();
    Reshaped { first: "old".into() }
}

/// In seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wait {
    length: u64,
}

#[cached(ttl = "5m", key = "versioned", version = 1)]
async fn versioned() -> Wait {
    body_runs();
    Wait { length: 30 }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    begin(|builder| builder).await;
    serve(&functions!(added removed renamed retyped reordered reshaped versioned)).await;
}
