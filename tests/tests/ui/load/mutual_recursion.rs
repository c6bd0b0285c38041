use cache_runtime::cached;

#[cached(ttl = "5m", key = "even:<n>")]
async fn even(n: u64) -> bool {
    if n == 0 { true } else { odd(n - 1).await }
}

#[cached(ttl = "5m", key = "odd:<n>")]
async fn odd(n: u64) -> bool {
    if n == 0 { false } else { even(n - 1).await }
}

fn main() {}
