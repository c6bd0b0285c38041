use cache_runtime::cached;

struct PgPool;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn find(handle: &PgPool, id: u64) -> u64 {
    let _ = handle;
    id
}

fn main() {}
