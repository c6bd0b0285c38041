use cache_runtime::cached;

#[cached(invalidates = [tag()])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
