use cache_runtime::cached;

struct Users;

impl Users {
    #[cached(ttl = "STANDARD", key = "user:<id>")]
    pub async fn save(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
