use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<name>")]
async fn get_user(name: &mut String) -> usize {
    name.push('x');
    name.len()
}

fn main() {}
