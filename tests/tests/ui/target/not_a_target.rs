use cache_runtime::cached;

#[cached(invalidates = [id + 1])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
