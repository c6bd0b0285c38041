use cache_runtime::cached;

#[cached(ttl = "STANDARD", key = "user:<id>", invalidates = ["users:top"])]
async fn save_user(id: u64) {
    let _ = id;
}

fn main() {}
