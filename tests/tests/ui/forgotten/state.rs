use cache_runtime::cached;

pub struct State<T>(pub T);

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn find(handle: State<u64>, id: u64) -> u64 {
    let _ = handle;
    id
}

fn main() {}
