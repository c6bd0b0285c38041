use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", tags = ["name:<name>"], skip = [name])]
async fn get_user(id: u64, name: &mut String) -> u64 {
    name.clear();
    id
}

fn main() {}
