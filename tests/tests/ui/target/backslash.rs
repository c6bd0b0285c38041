use cache_runtime::cached;

#[cached(invalidates = [r"user:\*"])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
