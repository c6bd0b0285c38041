use cache_runtime::KeyPart;

#[derive(KeyPart)]
#[key_part(rename = "id")]
struct UserId(u64);

fn main() {}
