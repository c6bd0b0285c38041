use async_trait::async_trait;
use cache_runtime::cached;

struct Users;

#[async_trait]
trait Find {
    async fn find(&self, pair: (u64, u64)) -> u64;
}

#[async_trait]
impl Find for Users {
    #[cached(ttl = "5m", key = "user:<org>:<id>")]
    async fn find(&self, (org, id): (u64, u64)) -> u64 {
        org + id
    }
}

fn main() {}
