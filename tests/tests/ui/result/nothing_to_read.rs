use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>")]
async fn touch(id: u64) {
    let _ = id;
}

fn main() {}
