use cache_runtime::{CacheValue, cached};

#[cached(ttl = "5m", key = "row:<id>")]
async fn load<T: CacheValue + Default>(id: u64) -> T {
    let _ = id;
    T::default()
}

async fn caller() -> u64 {
    load::entry::<u64>(&1).invalidate().await;
    load::<u64>(1).await
}

fn main() {
    drop(caller());
}
