use cache_runtime::cached;

const ACTIVE: bool = true;

#[cached(ttl = "STANDARD", key = "user:<id>", cache_if = ACTIVE)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
