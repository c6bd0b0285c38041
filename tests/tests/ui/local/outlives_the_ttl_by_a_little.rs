use cache_runtime::cached;

#[cached(ttl = "1h 30m", key = "user:<id>", local = "5401s")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
