use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [pol])]
async fn get_user(id: u64, #[cache(skip)] pool: &str) -> u64 {
    id + pool.len() as u64
}

fn main() {}
