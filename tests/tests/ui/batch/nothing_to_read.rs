use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[u64]) {
    let _ = ids;
}

fn main() {}
