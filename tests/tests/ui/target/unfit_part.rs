use cache_runtime::cached;

#[cached(invalidates = ["user:<rating>"])]
async fn rate(rating: f32) {
    let _ = rating;
}

fn main() {}
