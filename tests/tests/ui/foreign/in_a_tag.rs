use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", tags = ["org:{org}"], skip = [org])]
async fn find(id: u64, org: u64) -> u64 {
    id + org
}

fn main() {}
