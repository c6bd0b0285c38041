use cache_runtime::cached;

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[f32]) -> Vec<Option<u64>> {
    ids.iter().map(|_| None).collect()
}

fn main() {}
