use cache_runtime::cached;

#[cached(invalidates = ["users:top"], jitter = 0.2)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
