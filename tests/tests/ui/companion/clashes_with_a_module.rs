use cache_runtime::cached;

mod user {}

#[cached(ttl = "5m", key = "user:<id>")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
