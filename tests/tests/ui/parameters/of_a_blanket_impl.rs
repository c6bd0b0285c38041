use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

trait Count {
    async fn count(&self, tenant: u64) -> u64;
}

impl<E: Entity> Count for E {
    #[cached(ttl = "5m", key = "count:<tenant>")]
    async fn count(&self, tenant: u64) -> u64 {
        E::ROWS + tenant
    }
}

fn main() {}
