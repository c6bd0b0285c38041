use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:{usr_id}")]
async fn find(user_id: u64) -> u64 {
    user_id
}

fn main() {}
