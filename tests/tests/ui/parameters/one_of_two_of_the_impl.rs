use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

struct Join<A, B>(std::marker::PhantomData<(A, B)>);

impl<A: Entity, B: Entity> Join<A, B> {
    #[cached(ttl = "5m", key = "join:<A>:<tenant>")]
    pub async fn rows(&self, tenant: u64) -> u64 {
        A::ROWS * B::ROWS + tenant
    }
}

fn main() {}
