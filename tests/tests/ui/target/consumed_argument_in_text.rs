use cache_runtime::cached;

#[cached(invalidates = ["name:<name>:<return>"])]
async fn rename(name: String) -> usize {
    drop(name);
    1
}

fn main() {}
