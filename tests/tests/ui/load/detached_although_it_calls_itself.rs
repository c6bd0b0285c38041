use cache_runtime::cached;

#[cached(ttl = "5m", key = "sum:<n>", detach = true)]
async fn sum(n: u64) -> u64 {
    if n == 0 { 0 } else { Box::pin(sum(n - 1)).await + n }
}

fn main() {}
