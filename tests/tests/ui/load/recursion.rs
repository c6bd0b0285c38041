use cache_runtime::cached;

#[cached(ttl = "5m", key = "fibonacci:<n>")]
async fn fibonacci(n: u64) -> u64 {
    if n < 2 { n } else { fibonacci(n - 1).await + fibonacci(n - 2).await }
}

fn main() {}
