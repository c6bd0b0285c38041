use cache_runtime::cached;

#[cached(invalidates = ["users"], unchanged_if = true)]
async fn clear() -> Result<(), String> {
    Ok(())
}

fn main() {}
