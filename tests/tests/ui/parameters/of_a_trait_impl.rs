use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

struct Repository<E>(std::marker::PhantomData<E>);

trait Count {
    async fn count(&self, tenant: u64) -> u64;
}

impl<E: Entity> Count for Repository<E> {
    #[cached(ttl = "5m", key = "count:<tenant>")]
    async fn count(&self, tenant: u64) -> u64 {
        E::ROWS + tenant
    }
}

fn main() {}
