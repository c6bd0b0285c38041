use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", tags = ["org:<org>"])]
async fn get_user(org: u64, id: u64) -> u64 {
    org + id
}

fn main() {}
