use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users<'a>(ids: &'a [u64]) -> HashMap<u64, &'a u64> {
    ids.iter().map(|id| (*id, id)).collect()
}

fn main() {}
