use cache_runtime::cached;

trait Users {
    async fn find(&self, id: u64) -> u64;
}

struct Repo;

impl Users for Repo {
    #[cached(ttl = "5m", key = "user:<id>", detach = true)]
    async fn find(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
