use cache_runtime::cached;

struct Transaction<'a>(&'a mut u64);

#[cached(ttl = "STANDARD", key = "user:<id>", mode = "write-through")]
async fn save_user(transaction: &mut Transaction<'_>, id: u64) -> u64 {
    let _ = transaction;
    id
}

fn main() {}
