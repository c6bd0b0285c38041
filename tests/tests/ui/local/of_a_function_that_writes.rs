use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", invalidates = ["users"], local = "5s")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
