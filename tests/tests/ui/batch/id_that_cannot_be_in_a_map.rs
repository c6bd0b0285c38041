use std::collections::HashMap;

use cache_runtime::{KeyPart, cached};

#[derive(Clone, KeyPart)]
struct Id(u64);

#[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
async fn get_users(ids: Vec<Id>) -> HashMap<Id, u64> {
    drop(ids);
    HashMap::new()
}

fn main() {}
