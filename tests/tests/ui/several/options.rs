use cache_runtime::cached;

#[cached(
    ttl = "60",
    key = "user:<idd>",
    jiter = 0.1,
    mode = "write-trough",
    version = 0,
    jitter = 2,
    skip = [pool],
    codec = json
)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
