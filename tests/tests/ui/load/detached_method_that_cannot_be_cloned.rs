use cache_runtime::cached;

struct Repo;

impl Repo {
    #[cached(ttl = "5m", key = "user:<id>", detach = true)]
    pub async fn find(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
