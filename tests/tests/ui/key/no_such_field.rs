use cache_runtime::cached;

struct User {
    id: u64,
}

#[cached(ttl = "5m", key = "user:<user.idd>", skip = [user])]
async fn name(user: User) -> u64 {
    user.id
}

fn main() {}
