use cache_runtime::cached;

#[cached(invalidates = ["user:<id>*"])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
