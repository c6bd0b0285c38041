use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", stale_while_revalidate = "30s", detach = false)]
async fn find(id: u64) -> u64 {
    id
}

#[cached(ttl = "5m", key = "film:<id>", early_refresh = 2.0, detach = false)]
async fn film(id: u64) -> u64 {
    id
}

fn main() {}
