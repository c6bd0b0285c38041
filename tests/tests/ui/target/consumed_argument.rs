use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<name>")]
async fn by_name(name: String) -> usize {
    name.len()
}

#[cached(invalidates = [|_made| by_name(name)])]
async fn rename(name: String) -> usize {
    drop(name);
    1
}

fn main() {}
