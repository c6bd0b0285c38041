use cache_runtime::cached;

trait Entity: Send + Sync + 'static {
    const ROWS: u64;
}

#[cached(ttl = "5m", key = "count:<E>:<tenant>", skip = [E])]
async fn count<E: Entity>(tenant: u64) -> u64 {
    E::ROWS + tenant
}

fn main() {}
