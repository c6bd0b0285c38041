use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", mode = "cache-aside", invalidates = ["users:top"])]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
