use cache_runtime::cached;
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> Result<User, String> {
    Ok(User { id })
}

fn main() {}
