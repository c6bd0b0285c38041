use cache_runtime::cached;

#[cached(invalidates = ["*:films"])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
