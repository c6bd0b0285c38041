use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids", stale_while_revalidate = "30s", stale_if_error = "1m", early_refresh = false, detach = false)]
async fn get_users(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
