use cache_runtime::KeyPart;

#[derive(KeyPart)]
struct Point {
    name: String,
    latitude: f64,
}

fn main() {}
