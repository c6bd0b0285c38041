use cache_runtime::cached;

struct Users;

trait Find {
    async fn find(&self, id: u64) -> u64;
}

impl Find for Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    async fn find(&self, id: u64) -> u64 {
        let name: String = id;
        name.len() as u64
    }
}

fn main() {}
