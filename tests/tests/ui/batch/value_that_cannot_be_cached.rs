use std::collections::HashMap;

use cache_runtime::cached;

struct User(u64);

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[u64]) -> Result<HashMap<u64, User>, String> {
    Ok(ids.iter().map(|id| (*id, User(*id))).collect())
}

fn main() {}
