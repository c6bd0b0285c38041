use cache_runtime::cached;

#[cached(ttl = "5m", key = "posts:<user>")]
async fn posts((user, page): (u64, u64)) -> u64 {
    user + page
}

fn main() {}
