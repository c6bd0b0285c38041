use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    pub async fn find(id: u64) -> u64 {
        id
    }
}

fn main() {}
