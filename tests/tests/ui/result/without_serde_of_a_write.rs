use cache_runtime::cached;

pub struct User {
    pub id: u64,
}

#[cached(ttl = "5m", key = "user:<id>", mode = "write-through")]
async fn save_user(id: u64) -> User {
    User { id }
}

fn main() {}
