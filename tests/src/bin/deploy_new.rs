//! The next version of the service in `deploy_old.rs`: the same names, the same keys, other types.

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
    city: String,
}

#[cached(ttl = "5m", key = "added")]
async fn added() -> Added {
    body_runs();
    Added { first: "new".into(), city: "new".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Removed {
    first: String,
}

#[cached(ttl = "5m", key = "removed")]
async fn removed() -> Removed {
    body_runs();
    Removed { first: "new".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Renamed {
    given: String,
    last: String,
}

#[cached(ttl = "5m", key = "renamed")]
async fn renamed() -> Renamed {
    body_runs();
    Renamed { given: "new".into(), last: "new".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Retyped {
    first: String,
    age: String,
}

#[cached(ttl = "5m", key = "retyped")]
async fn retyped() -> Retyped {
    body_runs();
    Retyped { first: "new".into(), age: "2".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reordered {
    last: String,
    first: String,
}

#[cached(ttl = "5m", key = "reordered")]
async fn reordered() -> Reordered {
    body_runs();
    Reordered { last: "new last".into(), first: "new first".into() }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Reshaped {
    Named { first: String },
    Nameless,
}

#[cached(ttl = "5m", key = "reshaped", cache_if = |reshaped| !matches!(reshaped, Reshaped::Nameless))]
async fn reshaped() -> Reshaped {
    body_runs();
    Reshaped::Named { first: "new".into() }
}

/// In milliseconds: nothing that a decoder could see.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wait {
    length: u64,
}

#[cached(ttl = "5m", key = "versioned", version = 2)]
async fn versioned() -> Wait {
    body_runs();
    Wait { length: 30_000 }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    begin(|builder| builder).await;
    serve(&functions!(added removed renamed retyped reordered reshaped versioned)).await;
}
