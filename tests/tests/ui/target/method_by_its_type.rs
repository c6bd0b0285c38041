use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    pub async fn find(&self, id: u64) -> u64 {
        id
    }

    #[cached(ttl = "5m", key = "number:<id>", companion = false)]
    pub async fn number(id: u64) -> u64 {
        id
    }

    #[cached(invalidates = [Self::find(id)])]
    pub async fn remove(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
