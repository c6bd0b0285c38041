use cache_runtime::cached;

#[derive(cache_runtime::KeyPart)]
pub struct Query {
    pub user: u64,
    pub page: u32,
}

#[cached(ttl = "5m", key = "posts:<query>:<query.user>", skip = [query])]
async fn posts(query: Query) -> u64 {
    query.user
}

fn main() {}
