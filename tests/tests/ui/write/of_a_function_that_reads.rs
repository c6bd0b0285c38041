use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", settle = "500ms", strict = true, unchanged_if = |_| true)]
async fn find(id: u64) -> u64 {
    id
}

fn main() {}
