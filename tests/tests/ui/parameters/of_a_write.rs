use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

#[cached(ttl = "5m", key = "count:<tenant>", mode = "write-through")]
async fn save<E: Entity>(tenant: u64) -> u64 {
    E::ROWS + tenant
}

fn main() {}
