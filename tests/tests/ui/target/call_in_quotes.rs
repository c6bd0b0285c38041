use cache_runtime::cached;

#[cached(invalidates = ["get_user(id)"])]
async fn rename_user(id: u64, name: String) {
    drop((id, name));
}

fn main() {}
