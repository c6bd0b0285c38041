use cache_runtime::cached;

#[cached(ttl = "5m", key = "user")]
const USER: u64 = 1;

fn main() {}
