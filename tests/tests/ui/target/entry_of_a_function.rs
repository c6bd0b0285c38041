use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

#[cached(invalidates = [get_user::entry(&id)])]
async fn remove_user(id: u64) {
    let _ = id;
}

fn main() {}
