use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", cache = 5_u32)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
