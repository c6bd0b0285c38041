use cache_runtime::cached;

#[cached(time = 60, convert = r#"{ id }"#, key = "u64", result = true)]
async fn find(id: u64) -> u64 {
    id
}

fn main() {}
