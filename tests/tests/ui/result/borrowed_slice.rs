use cache_runtime::cached;

#[cached(ttl = "5m", key = "ids:<ids>")]
async fn head(ids: &[u64]) -> Result<&[u64], String> {
    Ok(&ids[..1])
}

fn main() {}
