use cache_runtime::cached;

trait Count: Sync {
    const ROWS: u64;

    #[cached(ttl = "5m", key = "count:<tenant>")]
    async fn count(&self, tenant: u64) -> u64 {
        Self::ROWS + tenant
    }
}

fn main() {}
