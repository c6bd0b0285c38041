use cache_runtime::cached;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Name<'a>(#[serde(borrow)] &'a str);

#[cached(ttl = "5m", key = "name:<name>")]
async fn shortened<'a>(name: &'a str) -> Name<'a> {
    Name(name)
}

fn main() {}
