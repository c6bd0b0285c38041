use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>")]
struct User {
    id: u64,
}

fn main() {}
