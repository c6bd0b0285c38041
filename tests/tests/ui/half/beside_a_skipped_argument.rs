use cache_runtime::cached;

pub struct Query {
    pub user: u64,
    pub page: u32,
}

pub struct Pool;

#[cached(ttl = "5m", key = "posts:<query.user>", skip = [pool])]
async fn posts(pool: &Pool, query: Query) -> u64 {
    let _ = pool;
    query.user
}

fn main() {}
