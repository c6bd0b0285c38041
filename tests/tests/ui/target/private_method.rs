use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    async fn find(&self, id: u64) -> u64 {
        id
    }

    #[cached(invalidates = [self.find(id)])]
    pub async fn remove(&self, id: u64) -> u64 {
        self.find(id).await
    }
}

fn main() {}
