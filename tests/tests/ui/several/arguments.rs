use cache_runtime::cached;

#[cached(ttl = "5m", key = "users:<tenant>:<ordr>", skip = [tenant, pol])]
async fn find(tenant: u64, order: bool, page: u32, pool: &str) -> &str {
    let _ = (tenant, order, page);
    pool
}

fn main() {}
