use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", skip = [log])]
async fn get_users(ids: &[u64], log: &mut Vec<u64>) -> HashMap<u64, u64> {
    log.extend(ids);
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
