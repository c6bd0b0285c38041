use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

#[cached(ttl = "5m", key = "count:<tenant>")]
async fn count(entity: impl Entity, tenant: u64) -> u64 {
    let _ = entity;
    tenant
}

fn main() {}
