use cache_runtime::cached;

#[cached(ttl = "5m", key = "count:<Self>:<tenant>")]
async fn count(tenant: u64) -> u64 {
    tenant
}

fn main() {}
