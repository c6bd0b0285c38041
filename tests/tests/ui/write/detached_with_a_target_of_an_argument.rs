use cache_runtime::cached;

#[cached(invalidates = ["org:<org>:<return.0>"], detach = true)]
async fn create(org: u64) -> (u64, u64) {
    (org, 1)
}

fn main() {}
