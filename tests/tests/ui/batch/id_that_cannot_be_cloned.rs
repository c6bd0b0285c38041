use cache_runtime::{KeyPart, cached};

#[derive(KeyPart)]
struct Id(u64);

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: &[Id]) -> Vec<Option<u64>> {
    ids.iter().map(|id| Some(id.0)).collect()
}

fn main() {}
