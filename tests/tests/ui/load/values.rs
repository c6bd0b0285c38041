use cache_runtime::cached;

#[cached(ttl = "5m", key = "a:<id>", stale_while_revalidate = 30, stale_if_error = "10 minutes long", load_timeout = "0s")]
async fn durations(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", key = "b:<id>", early_refresh = true, detach = "yes")]
async fn flags(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", key = "c:<id>", early_refresh = -1.0, load_timeout = "5", stale_if_error = "STANDARD")]
async fn numbers(id: u64) -> u64 {
    id
}

fn main() {}
