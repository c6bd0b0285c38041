use cache_runtime::cached;

#[cached(
    ttl = "STANDARD",
    key = "user:<id>",
    name = "user",
    codec = json,
)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
