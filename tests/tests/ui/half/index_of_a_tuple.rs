use cache_runtime::cached;

#[cached(ttl = "5m", key = "posts:<pair.0>")]
async fn posts(pair: (u64, u64)) -> u64 {
    pair.0 + pair.1
}

fn main() {}
