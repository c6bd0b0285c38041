use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "page:<id>", mode = "cache-aside")]
async fn create_page(id: u64, width: u64) -> u64 {
    id + width
}

fn main() {}
