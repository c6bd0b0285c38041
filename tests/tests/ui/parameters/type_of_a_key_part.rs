use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

#[cached(ttl = "5m", key = "row:<id>")]
async fn row<I: Entity + cache_runtime::KeyPart>(id: I) -> u64 {
    let _ = id;
    I::ROWS
}

fn main() {}
