use async_trait::async_trait;
use cache_runtime::cached;

struct Users;

#[async_trait]
trait Find {
    async fn find(&self, ids: &[u64], pair: (u64, u64)) -> Vec<Option<u64>>;
}

#[async_trait]
impl Find for Users {
    #[cached(batch, ttl = "5m", key = "user:<first>:<id>", each = "id in ids")]
    async fn find(&self, ids: &[u64], (first, _): (u64, u64)) -> Vec<Option<u64>> {
        ids.iter().map(|id| Some(id + first)).collect()
    }
}

fn main() {}
