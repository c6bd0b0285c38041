use cache_runtime::cached;

#[cached(invalidates = [|made| tag("user:<made>")])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
