use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", cache_if = |user| *user + 1)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
