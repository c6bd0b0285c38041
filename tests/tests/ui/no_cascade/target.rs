use cache_runtime::cached;

#[cached(ttl = "5 min", key = "user:<id>", skip = [page])]
async fn get_user(id: u64, page: u32) -> Result<u64, String> {
    Ok(id + u64::from(page))
}

#[cached(invalidates = [get_user(id)])]
async fn delete_user(id: u64) {
    let _ = get_user(id, 1).await;
}

fn main() {
    drop(delete_user(1));
}
