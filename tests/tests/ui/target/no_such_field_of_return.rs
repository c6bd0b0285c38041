use cache_runtime::cached;

struct User {
    id: u64,
}

#[cached(invalidates = ["user:<return.idd>"])]
async fn add_user() -> User {
    User { id: 1 }
}

fn main() {}
