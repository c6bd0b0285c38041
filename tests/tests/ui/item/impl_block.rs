use cache_runtime::cached;

struct Users;

#[cached(ttl = "5m", key = "user:<id>")]
impl Users {
    async fn find(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
