use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>")]
async fn find(id: u64) -> u64 {
    id
}

#[cached(invalidates = [|made| find(*made), "name:<return>", find(id)], strict = true)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
