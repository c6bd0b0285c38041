use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

trait Count<E> {
    async fn count(&self, tenant: u64) -> u64;
}

struct Store;

impl<E: Entity> Count<E> for Store {
    #[cached(ttl = "5m", key = "count:<Self>:<tenant>")]
    async fn count(&self, tenant: u64) -> u64 {
        E::ROWS + tenant
    }
}

fn main() {}
