use cache_runtime::cached;

#[cached(ttl = "5m", key = "next", skip = [state], detach = true)]
async fn next(state: &mut u64) -> u64 {
    *state += 1;
    *state
}

fn main() {}
