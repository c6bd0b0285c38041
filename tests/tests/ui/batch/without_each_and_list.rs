use std::collections::HashMap;

use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>")]
async fn get_users(count: u64) -> HashMap<u64, u64> {
    HashMap::from([(count, count)])
}

fn main() {}
