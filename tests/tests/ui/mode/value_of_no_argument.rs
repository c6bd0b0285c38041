use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", value = "usr")]
async fn save_user(id: u64, user: String) {
    let _ = (id, user);
}

fn main() {}
