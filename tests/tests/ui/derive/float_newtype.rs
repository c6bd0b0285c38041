use cache_runtime::KeyPart;

#[derive(KeyPart)]
struct Degrees(f64);

fn main() {}
