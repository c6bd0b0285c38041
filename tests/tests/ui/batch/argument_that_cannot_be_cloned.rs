use std::collections::HashMap;

use cache_runtime::cached;

struct Lock;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", skip = [lock])]
async fn get_users(ids: &[u64], lock: Lock) -> HashMap<u64, u64> {
    drop(lock);
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
