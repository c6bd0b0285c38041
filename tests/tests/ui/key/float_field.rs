use cache_runtime::cached;

struct Point {
    latitude: f64,
}

#[cached(ttl = "5m", key = "near:<point.latitude>", skip = [point])]
async fn near(point: Point) -> u64 {
    point.latitude as u64
}

fn main() {}
