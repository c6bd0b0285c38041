use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", invalidates = ["user:<id>:*"], strict = true)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
