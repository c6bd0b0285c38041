use cache_runtime::cached;

struct Connection;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn find(handle: &mut Connection, id: u64) -> u64 {
    let _ = handle;
    id
}

fn main() {}
