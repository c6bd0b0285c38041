use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "post:<id.0>", each = "id in ids")]
async fn posts(ids: &[(u64, u64)]) -> std::collections::HashMap<(u64, u64), u64> {
    ids.iter().map(|id| (*id, id.1)).collect()
}

fn main() {}
