use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", tags = ["rating:<rating>"], skip = [rating])]
async fn get_user(id: u64, rating: f32) -> u64 {
    let _ = rating;
    id
}

fn main() {}
