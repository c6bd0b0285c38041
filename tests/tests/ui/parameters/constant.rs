use cache_runtime::cached;

#[cached(ttl = "5m", key = "list:<id>")]
async fn list<const N: usize>(id: u64) -> usize {
    let _ = id;
    N
}

fn main() {}
