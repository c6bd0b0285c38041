use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", crate = "cache_runtime")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
