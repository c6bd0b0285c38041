use cache_runtime::cached;

#[cached(ttl = "5m", key = "user:<id>", detach = true)]
async fn find(id: u64) -> u64 {
    let shared = std::rc::Rc::new(id);
    std::future::ready(()).await;
    *shared
}

fn main() {}
