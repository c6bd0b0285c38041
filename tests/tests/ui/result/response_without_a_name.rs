use cache_runtime::cached;

pub trait IntoResponse {}

impl IntoResponse for u64 {}

#[cached(ttl = "5m", key = "user:<id>")]
async fn show(id: u64) -> impl IntoResponse {
    id
}

fn main() {}
