use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", negative_ttl = "30")]
async fn get_user(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
