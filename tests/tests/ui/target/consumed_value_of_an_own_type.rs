use cache_runtime::{KeyPart, cached};

#[derive(KeyPart)]
struct UserId(u64);

#[cached(ttl = "5m", key = "user:<id>")]
async fn by_id(id: UserId) -> u64 {
    id.0
}

#[cached(invalidates = [|_made| by_id(id)])]
async fn rename(id: UserId) -> u64 {
    id.0
}

fn main() {}
