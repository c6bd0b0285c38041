use cache_runtime::cached;

#[cached(ttl = "5m", key = "near:<latitude>")]
async fn near(latitude: f64) -> u64 {
    latitude as u64
}

#[cached(invalidates = [near(latitude)])]
async fn moved(latitude: f64) -> u64 {
    near(latitude).await
}

fn main() {
    drop(moved(1.0));
}
