use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5 min", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {
    drop(get_users(&[1]));
    drop(get_users::uncached(&[1]));
}
