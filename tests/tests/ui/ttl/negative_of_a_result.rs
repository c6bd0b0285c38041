use cache_runtime::cached;

#[cached(ttl = "5m", negative_ttl = "30s", key = "user:<id>")]
async fn find(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
