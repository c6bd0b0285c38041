use cache_runtime::cached;

#[cached(ttl = "5m", key = "users")]
async fn find((tenant, page): (u64, u32)) -> Vec<u64> {
    vec![tenant + u64::from(page)]
}

fn main() {}
