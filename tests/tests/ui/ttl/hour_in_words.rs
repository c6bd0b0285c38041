use cache_runtime::cached;

#[cached(ttl = "1 hour", key = "user:<id>")]
async fn find(id: u64) -> u64 {
    id
}

fn main() {}
