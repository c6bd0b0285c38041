use cache_runtime::cached;

#[cached(ttl = "5m", key = "posts:<name.len()>")]
async fn posts(name: &str) -> usize {
    name.len()
}

fn main() {}
