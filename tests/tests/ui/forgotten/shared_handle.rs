use cache_runtime::cached;

use std::sync::Arc;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn find(handle: Arc<dyn Send>, id: u64) -> u64 {
    let _ = handle;
    id
}

fn main() {}
