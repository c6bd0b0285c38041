use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(ttl = "5m", key = "user:<self>:<id>")]
    pub async fn find(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
