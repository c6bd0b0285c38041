use cache_runtime::cached;

pub struct Query {
    pub user: u64,
    pub page: u32,
}

#[cached(ttl = "5m", key = "posts:<query.user>")]
async fn posts(query: Query) -> u64 {
    query.user + u64::from(query.page)
}

fn main() {}
