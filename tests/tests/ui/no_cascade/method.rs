use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(ttl = "5m", key = "user:<idd>")]
    pub async fn find(&self, id: u64) -> u64 {
        id
    }

    #[cached(invalidates = [self.find(id)])]
    pub async fn remove(&self, id: u64) -> u64 {
        self.find_entry(&id).peek().await.unwrap_or_default() + self.find_uncached(id).await + self.find(id).await
    }
}

fn main() {
    drop(Users.remove(1));
}
