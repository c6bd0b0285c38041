use cache_runtime::cached;

struct Pool;

#[cached(ttl = "5m", key = "user:{org}:{}")]
async fn find(pool: &Pool, org: u64, id: u64) -> u64 {
    let _ = pool;
    org + id
}

fn main() {}
