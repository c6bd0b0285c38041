use cache_runtime::cached;

#[cached(ttl = "5m", load_timeout = 5s, key = "user:<id>")]
async fn find(id: u64) -> u64 {
    id
}

fn main() {}
