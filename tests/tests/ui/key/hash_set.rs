use cache_runtime::cached;

use std::collections::HashSet;

#[cached(ttl = "5m", key = "films:<ids>")]
async fn films(ids: HashSet<u64>) -> usize {
    ids.len()
}

fn main() {}
