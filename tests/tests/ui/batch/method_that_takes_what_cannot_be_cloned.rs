use std::collections::HashMap;

use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
    pub async fn find(self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

fn main() {}
