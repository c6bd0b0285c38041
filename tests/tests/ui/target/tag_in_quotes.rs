use cache_runtime::cached;

#[cached(invalidates = ["tag(user:<id>)"])]
async fn rename_user(id: u64, name: String) {
    drop((id, name));
}

fn main() {}
