use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", skip = pool)]
async fn get_user(id: u64, pool: &str) -> u64 {
    id + pool.len() as u64
}

fn main() {}
