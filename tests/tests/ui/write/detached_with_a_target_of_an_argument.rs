use cache_runtime::cached;

#[cached(invalidates = [|made| format!("user:{made}:{org}")], detach = true)]
async fn create(org: u64) -> u64 {
    org
}

#[cached(invalidates = ["org:<org>:<return.0>"], detach = true)]
async fn create_in(org: u64) -> (u64, u64) {
    (org, 1)
}

fn main() {}
