use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", mode = "write-through")]
async fn save_user(id: u64) -> Result<(), String> {
    let _ = id;
    Ok(())
}

fn main() {}
