use cache_runtime::cached;

pub struct User;

impl User {
    fn slug(&self) -> String {
        String::new()
    }
}

#[cached(ttl = "5m", key = "posts:<user.slug()>")]
async fn posts(user: User) -> String {
    user.slug()
}

fn main() {}
