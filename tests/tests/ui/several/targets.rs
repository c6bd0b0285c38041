use cache_runtime::cached;

#[cached(invalidates = ["user:<idd>", id + 1, tag(users), "*:<id>", "user:<id", |a, b| top()])]
async fn delete_user(id: u64) {
    let _ = id;
}

fn main() {}
