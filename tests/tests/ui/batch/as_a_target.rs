use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(invalidates = [get_users(ids)])]
async fn delete_users(ids: &[u64]) {
    let _ = ids;
}

fn main() {}
