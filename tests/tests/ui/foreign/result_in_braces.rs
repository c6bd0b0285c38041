use cache_runtime::cached;

#[cached(invalidates = ["user:{return.id}"])]
async fn rename_user(name: String) -> Result<u64, String> {
    Ok(name.len() as u64)
}

fn main() {}
