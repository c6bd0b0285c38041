use cache_runtime::cached;

pub struct Query {
    pub user: u64,
    pub page: u32,
}

pub struct Valid<T>(pub T);

#[cached(ttl = "5m", key = "posts:<query.user>")]
async fn posts(Valid(query): Valid<Query>) -> u64 {
    query.user
}

fn main() {}
