use cache_runtime::cached;

#[cached(ttl = "5m", key = "{users}:top")]
async fn top() -> u64 {
    1
}

fn main() {}
