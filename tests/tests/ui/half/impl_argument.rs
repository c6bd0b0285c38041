use cache_runtime::cached;

pub trait Author: Send + Sync {
    fn id(&self) -> u64;
}

#[cached(ttl = "5m", key = "posts:<author.id()>")]
async fn posts(author: &impl Author) -> u64 {
    author.id()
}

fn main() {}
