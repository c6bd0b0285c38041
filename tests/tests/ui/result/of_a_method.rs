use cache_runtime::cached;

struct User {
    id: u64,
}

struct Users;

impl Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    pub async fn find(&self, id: u64) -> Result<User, String> {
        Ok(User { id })
    }
}

fn main() {}
