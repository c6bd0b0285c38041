use cache_runtime::cached;

struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "films:{user.id}")]
async fn films(user: User) -> u64 {
    user.id
}

fn main() {}
