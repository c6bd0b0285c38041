use cache_runtime::cached;

#[cached(ttl = "5m", key = "top:<count>")]
async fn top() -> u64 {
    1
}

fn main() {}
