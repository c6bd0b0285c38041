use cache_runtime::cached;

#[cached(invalidates = [|_| "user:%d"])]
async fn rename_user(id: u64, name: String) {
    drop((id, name));
}

fn main() {}
