use cache_runtime::cached;

struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

#[cached(invalidates = [|user| get_user(user.idd)])]
async fn add_user() -> User {
    User { id: 1 }
}

fn main() {}
