use cache_runtime::cached;

type AppResult<T> = Result<T, String>;

struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> AppResult<User> {
    Ok(User { id })
}

fn main() {}
