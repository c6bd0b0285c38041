use cache_runtime::cached;

#[cached(invalidates = ["users"], tags = ["users"])]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
