use cache_runtime::cached;

#[derive(Clone)]
pub struct HttpClient;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn find(handle: HttpClient, id: u64) -> u64 {
    let _ = handle;
    id
}

fn main() {}
