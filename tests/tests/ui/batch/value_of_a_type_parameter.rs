use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users<T: Clone>(ids: &[u64]) -> HashMap<u64, T> {
    let _ = ids;
    HashMap::new()
}

fn main() {}
