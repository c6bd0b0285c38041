use cache_runtime::cached;

#[cached(ttl = "5m", key = "users:<tenant>")]
async fn find(tenant: u64, page: u32) -> Vec<u64> {
    vec![tenant + u64::from(page)]
}

fn main() {}
