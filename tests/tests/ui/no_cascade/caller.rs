use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<idd>")]
async fn get_user(id: u64) -> u64 {
    id
}

async fn caller() -> u64 {
    let cached = get_user::entry(&42).peek().await.unwrap_or_default();
    get_user::entry(&42).invalidate().await;
    cached + get_user(42).await + get_user::uncached(42).await
}

fn main() {
    drop(caller());
}
