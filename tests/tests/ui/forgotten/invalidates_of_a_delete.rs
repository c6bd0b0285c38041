use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn delete_user(id: u64) -> Result<bool, String> {
    Ok(id > 0)
}

fn main() {}
