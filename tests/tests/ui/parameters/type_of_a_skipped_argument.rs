use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

#[cached(ttl = "5m", key = "count:<id>", skip = [like])]
async fn count<E: Entity>(id: u64, like: std::marker::PhantomData<E>) -> u64 {
    let _ = like;
    id + E::ROWS
}

fn main() {}
