use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> impl Iterator<Item = u64> {
    std::iter::once(id)
}

fn main() {}
