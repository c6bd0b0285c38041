use cache_runtime::cached;

use std::collections::HashMap;

#[cached(ttl = "5m", key = "films:<filters>")]
async fn films(filters: &HashMap<String, String>) -> usize {
    filters.len()
}

fn main() {}
