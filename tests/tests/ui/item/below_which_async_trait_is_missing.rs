use cache_runtime::cached;

struct Users;

trait Find {
    fn find(&self, id: u64) -> u64;
}

impl Find for Users {
    #[cached(ttl = "5m", key = "user:<id>")]
    fn find(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
