use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", invalidates = ["users"], early_refresh = 1.0, load_timeout = "5s")]
async fn save(id: u64) -> u64 {
    id
}

#[cached(invalidates = ["users"], stale_while_revalidate = "30s", stale_if_error = "30s")]
async fn clear() {}

fn main() {}
