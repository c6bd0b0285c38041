use cache_runtime::cached;

#[cached(ttl = "5m", key = "name:<id>", detach = true)]
async fn name(id: impl cache_runtime::KeyPart) -> u64 {
    let _ = &id;
    7
}

fn main() {}
