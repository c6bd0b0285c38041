use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

fn main() {}
