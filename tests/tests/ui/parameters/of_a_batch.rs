use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

#[cached(batch, ttl = "5m", key = "count:<id>", each = "id in ids")]
async fn count<E: Entity>(ids: &[u64]) -> std::collections::HashMap<u64, u64> {
    ids.iter().map(|id| (*id, E::ROWS)).collect()
}

fn main() {}
