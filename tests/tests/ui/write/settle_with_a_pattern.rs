use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", invalidates = [|_| "user:<id>:*"], settle = "1s")]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
