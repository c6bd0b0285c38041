use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id.inner>", skip = [id])]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
