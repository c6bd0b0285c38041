use cache_runtime::cached;
use std::rc::Rc;

#[cached(ttl = "5m", key = "user:<id>")]
async fn get_user(id: u64) -> Rc<u64> {
    Rc::new(id)
}

fn main() {}
