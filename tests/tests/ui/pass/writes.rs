//! Functions that write: through, of an argument, or only invalidating, with every form of target.

use cache_runtime::{Cache, cached};
use serde::{Deserialize, Serialize};

use super::{once, run, tick};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tick: u64,
}

impl User {
    fn new(id: u64, name: &str) -> Self {
        Self { id, name: name.to_owned(), tick: tick() }
    }
}

#[derive(Debug, PartialEq)]
struct Refused;

#[cached(ttl = "5m", key = "w:user:<id>")]
async fn get(id: u64) -> Result<User, Refused> {
    Ok(User::new(id, "read"))
}

#[cached(ttl = "5m", key = "w:name:<name>")]
async fn by_name(name: String) -> Option<User> {
    Some(User::new(0, &name))
}

#[cached(ttl = "5m", key = "w:pair:<org>:<id>")]
async fn in_org(org: &str, id: u64) -> (String, u64) {
    (org.to_owned(), tick() + id)
}

#[cached(ttl = "5m", key = "w:top")]
async fn top() -> Vec<u64> {
    vec![tick()]
}

#[cached(ttl = "STANDARD", key = "w:user:<id>", invalidates = ["w:top"])]
async fn update(id: u64, name: String) -> Result<User, Refused> {
    if name.is_empty() {
        return Err(Refused);
    }
    Ok(User::new(id, &name))
}

#[cached(ttl = "5m", key = "w:user:<id>", mode = "write-through")]
async fn touch(id: u64) -> Result<User, Refused> {
    Ok(User::new(id, "touched"))
}

/// In one line, which rustc has a lint for.
#[rustfmt::skip]
#[cached(ttl = "5m", key = "w:user:<id>", mode = "write-through")]
async fn rename(id: u64, name: String) -> Result<User, Refused> { Ok(User::new(id, &name)) }

#[cached(ttl = "5m", key = "w:user:<user.id>", value = "user")]
async fn save(user: User, pool: &mut Vec<User>) -> Result<(), Refused> {
    if user.name.is_empty() {
        return Err(Refused);
    }
    pool.push(user);
    Ok(())
}

#[cached(ttl = "5m", key = "w:user:<user.id>", value = "user", invalidates = [top()], cache_if = |user| user.id != 9)]
async fn save_borrowed(user: &User) {
    let _ = user;
}

#[cached(ttl = "5m", key = "w:user:<id>", value = "user")]
async fn save_part((id, user): (u64, User)) -> u64 {
    drop(user);
    id
}

#[cached(invalidates = [get(id), "w:top"])]
async fn delete(id: u64) -> Result<(), Refused> {
    if id == 0 { Err(Refused) } else { Ok(()) }
}

#[cached(invalidates = [get(user.id), by_name(user.name), in_org(&user.name, 1), top(), "w:pair:<user.name>:2"])]
async fn consume(user: User) {
    drop(user);
}

#[cached(invalidates = [in_org(org, id + 1), in_org("red", *first), "w:pair:<org>:<first>"])]
async fn borrowed(org: &str, id: u64, (first, _): (u64, u64)) {
    let _ = (org, id, first);
}

#[cached(invalidates = [|made| get(made.id), |made: &User| by_name(made.name), "w:pair:<return.name>:<return.id>", |_| top()])]
async fn create(name: &str) -> Result<User, Refused> {
    if name.is_empty() {
        return Err(Refused);
    }
    Ok(User::new(5, name))
}

#[cached(invalidates = [|made| get(*made), |_| "w:pair:red:7", "w:pair:<org>:<return>", |made| in_org(org, made + *first)])]
async fn mixed(org: &str, (first, _): (u64, u64)) -> Option<u64> {
    (first > 0).then_some(7)
}

#[cached(invalidates = [versioned(id)])]
async fn renew(id: u64) {
    let _ = id;
}

#[cached(invalidates = ["w:versioned:<id>"])]
async fn renew_by_text(id: u64) {
    let _ = id;
}

#[cached(ttl = "5m", key = "w:versioned:<id>", version = 2)]
async fn versioned(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "w:user:<id>", skip = [dry], bypass_if = dry, invalidates = [top()])]
async fn dry_run(id: u64, dry: bool) -> Result<User, Refused> {
    Ok(User::new(id, "dry"))
}

#[cached(invalidates = [get(id)], cache = cache)]
async fn delete_in(cache: &Cache, id: u64) -> u64 {
    let _ = cache;
    id
}

#[cached(invalidates = [get(id)], companion = false)]
async fn delete_inline((id, name): (u64, String)) -> String {
    name + &id.to_string()
}

/// Whether a call changes what another one returns.
macro_rules! changes {
    ($write:expr => $($read:expr),+) => {{
        let before = ($(once!($read),)+);
        let written = $write.await;
        let after = ($(once!($read),)+);
        (before, written, after)
    }};
}

#[tokio::test]
async fn a_write_stores_its_result_and_invalidates() {
    run(async {
        let (before, written, after) = changes!(update(1, "new".to_owned()) => get(1), get(2), top());
        assert_eq!(after.0, written);
        assert_eq!(after.1, before.1);
        assert_ne!(after.2, before.2);
        assert_eq!(update::entry(&1).peek().await, written.ok());

        let before = (once!(get(1)), once!(top()));
        assert_eq!(update(1, String::new()).await, Err(Refused));
        assert_ne!(get(1).await, before.0, "it may have written before it failed, or be writing yet");
        assert_ne!(top().await, before.1);

        let renamed = rename(3, "Grace".to_owned()).await;
        assert_eq!(get(3).await, renamed);
        let written = touch(3).await;
        assert_eq!(get(3).await, written);
    })
    .await;
}

#[tokio::test]
async fn a_write_stores_an_argument() {
    run(async {
        let user = User::new(1, "argument");
        assert_eq!(save(user.clone(), &mut vec![]).await, Ok(()));
        assert_eq!(get(1).await, Ok(user));

        let user = User::new(2, "borrowed");
        let (before, (), after) = changes!(save_borrowed(&user) => top());
        assert_ne!(before, after);
        assert_eq!(get(2).await, Ok(user));
        let vetoed = User::new(9, "vetoed");
        save_borrowed(&vetoed).await;
        assert_ne!(get(9).await, Ok(vetoed));

        let user = User::new(3, "part");
        save_part((3, user.clone())).await;
        assert_eq!(get(3).await, Ok(user));
    })
    .await;
}

#[tokio::test]
async fn a_function_that_only_invalidates() {
    run(async {
        let (before, written, after) = changes!(delete(1) => get(1), get(2), top());
        assert_eq!(written, Ok(()));
        assert_ne!(before.0, after.0);
        assert_eq!(before.1, after.1);
        assert_ne!(before.2, after.2);

        let user = User::new(1, "ann");
        let (before, (), after) = changes!(
            consume(user.clone()) =>
            get(1), by_name("ann".to_owned()), in_org("ann", 1), in_org("ann", 2), top(), in_org("ann", 3)
        );
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_ne!(before.3, after.3);
        assert_ne!(before.4, after.4);
        assert_eq!(before.5, after.5);

        let (before, (), after) = changes!(
            borrowed("blue", 1, (3, 4)) => in_org("blue", 2), in_org("red", 3), in_org("blue", 3), in_org("blue", 1)
        );
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_eq!(before.3, after.3);
    })
    .await;
}

#[tokio::test]
async fn targets_that_need_the_result() {
    run(async {
        let (before, _, after) =
            changes!(create("ann") => get(5), by_name("ann".to_owned()), in_org("ann", 5), top(), get(6));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_ne!(before.3, after.3);
        assert_eq!(before.4, after.4);

        let (before, failed, after) = changes!(create("") => get(5), top());
        assert_eq!(failed, Err(Refused));
        assert_eq!(before, after, "after success only");

        let (before, made, after) = changes!(
            mixed("blue", (1, 2)) => get(7), in_org("red", 7), in_org("blue", 7), in_org("blue", 8)
        );
        assert_eq!(made, Some(7));
        assert_ne!(before.0, after.0);
        assert_ne!(before.1, after.1);
        assert_ne!(before.2, after.2);
        assert_ne!(before.3, after.3);
        let (before, made, after) = changes!(mixed("blue", (0, 2)) => get(7), in_org("red", 7));
        assert_eq!((made, before), (None, after));
    })
    .await;
}

#[tokio::test]
async fn targets_with_a_version_a_cache_a_bypass() {
    run(async {
        let (before, (), after) = changes!(renew(1) => versioned(1));
        assert_ne!(before, after);
        let (before, (), after) = changes!(renew_by_text(1) => versioned(1));
        assert_ne!(before, after);

        let (before, written, after) = changes!(dry_run(1, true) => get(1), top());
        assert_ne!(after.0, written, "a bypass stores nothing");
        assert_ne!(before.0, after.0, "and invalidates");
        assert_ne!(before.1, after.1);

        let (before, name, after) = changes!(delete_inline((1, "a".to_owned())) => get(1));
        assert_eq!(name, "a1");
        assert_ne!(before, after);

        let cache = Cache::current();
        let (before, _, after) = changes!(delete_in(&cache, 1) => get(1));
        assert_ne!(before, after);
    })
    .await;
}
