use cache_runtime::cached;

#[derive(Clone)]
pub struct Json<T>(pub T);

#[cached(ttl = "5m", key = "user:<id>")]
async fn show(id: u64) -> Result<Json<u64>, String> {
    Ok(Json(id))
}

fn main() {}
