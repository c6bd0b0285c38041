use cache_runtime::cached;

use tracing::instrument as get;

#[cached(ttl = "5m", key = "user:<id>")]
#[get(skip_all)]
async fn show(id: u64) -> String {
    id.to_string()
}

fn main() {}
