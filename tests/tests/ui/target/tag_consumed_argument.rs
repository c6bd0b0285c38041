use cache_runtime::cached;

#[cached(invalidates = [tag("user:<return>:<name>")])]
async fn create_user(name: String) -> u64 {
    name.len() as u64
}

fn main() {}
