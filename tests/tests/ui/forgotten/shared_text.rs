use cache_runtime::cached;

use std::sync::Arc;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn find(name: Arc<str>, id: u64) -> u64 {
    drop(name);
    id
}

fn main() {}
