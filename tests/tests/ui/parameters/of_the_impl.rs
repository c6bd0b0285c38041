use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

struct Repository<E>(std::marker::PhantomData<E>);

impl<E: Entity> Repository<E> {
    #[cached(ttl = "5m", key = "rows:<tenant>")]
    pub async fn rows(&self, tenant: u64) -> u64 {
        E::ROWS + tenant
    }
}

fn main() {}
