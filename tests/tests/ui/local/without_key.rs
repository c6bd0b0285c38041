use cache_runtime::cached;

#[cached(invalidates = ["users"], local = false)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
