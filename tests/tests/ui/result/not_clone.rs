use cache_runtime::cached;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> User {
    User { id }
}

fn main() {}
