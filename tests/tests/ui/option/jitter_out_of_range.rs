use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", jitter = 1.5)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
