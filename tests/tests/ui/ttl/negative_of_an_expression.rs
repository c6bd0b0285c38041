use cache_runtime::cached;

const LIFE: u64 = 60;

#[cached(ttl = "5m", key = "user:<id>", negative_ttl = LIFE)]
async fn get_user(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
