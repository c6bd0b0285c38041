use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>")]
async fn user(id: u64) -> u64 {
    id
}

fn key() -> String {
    user::entry("42").key().to_string()
}

fn main() {
    key();
}
