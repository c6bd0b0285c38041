use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", skip = [I])]
async fn get_user<I: Into<u64>>(id: I) -> u64 {
    id.into()
}

fn main() {}
