use cache_runtime::cached;

struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>", value = "user")]
async fn save_user(id: u64, user: User) -> Result<(), String> {
    let _ = (id, user.id);
    Ok(())
}

fn main() {}
