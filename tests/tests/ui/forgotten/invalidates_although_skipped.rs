use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", skip = [name])]
async fn rename(id: u64, name: String) -> Result<String, String> {
    Ok(format!("{id}{name}"))
}

fn main() {}
