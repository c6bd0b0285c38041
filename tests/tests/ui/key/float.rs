use cache_runtime::cached;

#[cached(ttl = "5m", key = "near:<latitude>")]
async fn near(latitude: f64) -> u64 {
    latitude as u64
}

fn main() {}
