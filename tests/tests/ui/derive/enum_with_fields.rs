use cache_runtime::KeyPart;

#[derive(KeyPart)]
enum Id {
    Number(u64),
    Unknown,
}

fn main() {}
