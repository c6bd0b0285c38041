use cache_runtime::cached;

#[cached(ttl = "5m", key = "film:<place>")]
async fn film(place: std::path::PathBuf) -> usize {
    place.as_os_str().len()
}

fn main() {}
