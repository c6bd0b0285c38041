use cache_runtime::cached;

#[cached(invalidates = [tag("user:<idd>")])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
