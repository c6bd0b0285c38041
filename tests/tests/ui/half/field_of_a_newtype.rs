use cache_runtime::cached;

pub struct Query {
    pub user: u64,
    pub page: u32,
}

pub struct Checked(Query);

#[cached(ttl = "5m", key = "posts:<query.0.user>")]
async fn posts(query: Checked) -> u64 {
    query.0.user
}

fn main() {}
