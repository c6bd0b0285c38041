use cache_runtime::KeyPart;

#[derive(KeyPart)]
union Bits {
    integer: u32,
    signed: i32,
}

fn main() {}
