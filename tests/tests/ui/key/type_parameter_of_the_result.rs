use cache_runtime::{CacheValue, cached};

#[cached(ttl = "5m", key = "row:<id>")]
async fn load<T: CacheValue + Default>(id: u64) -> T {
    let _ = id;
    T::default()
}

fn main() {}
