use cache_runtime::cached;

struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>", mode = "write-through")]
async fn get_user(id: u64) -> Result<User, String> {
    Ok(User { id })
}

fn main() {}
