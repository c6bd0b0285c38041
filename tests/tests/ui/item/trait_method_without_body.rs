use cache_runtime::cached;

trait Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    async fn find(&self, id: u64) -> u64;
}

fn main() {}
