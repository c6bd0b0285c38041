use cache_runtime::cached;

#[cached(ttl = "5m", key = "name:<name>")]
async fn shortened(name: &str) -> &str {
    &name[..1]
}

fn main() {}
