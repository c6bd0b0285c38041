use cache_runtime::cached;

#[cached(invalidates = ["users", tag("user:<id>")], settle = "1s")]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
