use cache_runtime::cached;

#[cached(ttl = "5 min", key = "user:<id>", tags = ["org:<org>", "type:<T>"], skip = [org, T])]
async fn get_user<T>(id: u64, org: &str) -> u64 {
    let _ = org;
    id
}

#[cached(invalidates = [get_user::<u8>(id, org)])]
async fn delete_user(id: u64, org: &str) {
    let _ = get_user::<u8>(id, org).await;
}

fn main() {
    drop(get_user::entry::<u8>(&1, "red"));
}
