use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[u64]) -> Result<HashMap<String, u64>, String> {
    Ok(ids.iter().map(|id| (id.to_string(), *id)).collect())
}

fn main() {}
