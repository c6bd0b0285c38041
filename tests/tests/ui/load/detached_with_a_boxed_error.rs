use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", detach = true)]
async fn find(id: u64) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(id)
}

fn main() {}
