use cache_runtime::cached;

#[cached(ttl = "5m", negative_ttl = REALTIME, key = "user:<id>")]
async fn find(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
