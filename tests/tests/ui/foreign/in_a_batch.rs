use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:{id}", each = "id in ids")]
async fn find_all(ids: &[u64]) -> std::collections::HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
