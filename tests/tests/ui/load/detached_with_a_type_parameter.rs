use cache_runtime::cached;

#[cached(ttl = "5m", key = "size:<T>", detach = true)]
async fn size<T: Default>() -> usize {
    let _ = T::default();
    7
}

fn main() {}
