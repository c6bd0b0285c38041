use cache_runtime::cached;

#[cached(
    ttl = "STANDARD",
    key = "user:<id>",
    stale_while_revalidate = "1m",
    stale_if_error = "1h",
    early_refresh = 1.0,
    settle = "1s",
    strict,
    detach = false,
    load_timeout = "5s",
    each = "id in ids",
    name = "user",
    codec = json,
)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
