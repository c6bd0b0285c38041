use cache_runtime::cached;

struct Ring<const N: usize>;

impl<const N: usize> Ring<N> {
    #[cached(ttl = "5m", key = "ring:<id>")]
    pub async fn slot(&self, id: usize) -> usize {
        id % N
    }
}

fn main() {}
