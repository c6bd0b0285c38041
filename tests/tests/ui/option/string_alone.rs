use cache_runtime::cached;

#[cached("user:<id>", ttl = "5m")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
