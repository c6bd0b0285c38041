use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>")]
async fn update_user(id: u64, name: String) -> Result<String, String> {
    Ok(format!("{id}{name}"))
}

fn main() {}
