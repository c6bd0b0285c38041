use cache_runtime::cached;
use serde::Serialize;

#[derive(Clone, Serialize)]
struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> Option<User> {
    Some(User { id })
}

fn main() {}
