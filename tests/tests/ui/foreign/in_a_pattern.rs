use cache_runtime::cached;

#[cached(invalidates = ["user:${id}:*"])]
async fn rename_user(id: u64, name: String) {
    drop((id, name));
}

fn main() {}
