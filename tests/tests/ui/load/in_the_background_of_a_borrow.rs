use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<name>", stale_while_revalidate = "30s")]
async fn find<'a>(name: Option<&'a str>) -> usize {
    name.map_or(0, str::len)
}

fn main() {}
