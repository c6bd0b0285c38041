use cache_runtime::cached;

const LIFE: u64 = 60;

#[cached(ttl = LIFE, key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
