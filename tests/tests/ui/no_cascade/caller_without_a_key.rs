use cache_runtime::cached;

#[cached(ttl = "5m")]
async fn get_user(org: u64, id: String) -> Option<u64> {
    Some(org + id.len() as u64)
}

async fn caller() -> Option<u64> {
    get_user::entry(&1, "a").peek().await?;
    get_user(1, "a".to_owned()).await
}

fn main() {
    drop(caller());
}
