//! Calls that are spawned: what they hold must be `Send` for every lifetime that the compiler forgets.

use std::{borrow::Cow, pin::Pin};

use cache_runtime::cached;

use super::{run, tick};

#[derive(Clone, Debug, Default)]
struct Database {
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Refused<'a>(&'a str);

#[cached(ttl = "5m", key = "static:<id>", skip = [database])]
async fn static_error(id: u64, database: &Database) -> Result<u64, &'static str> {
    if database.name.is_empty() { Ok(id + tick()) } else { Err("refused") }
}

#[cached(ttl = "5m", key = "owned:<id>", skip = [database])]
async fn owned_error(id: u64, database: &Database) -> Result<Option<u64>, Refused<'static>> {
    if database.name.is_empty() { Ok(Some(id + tick())) } else { Err(Refused("refused")) }
}

#[cached(ttl = "5m", key = "text:<name>", stale_while_revalidate = "1h")]
async fn text(name: &str) -> Result<Cow<'static, str>, Cow<'static, str>> {
    Ok(Cow::Owned(format!("{name} {}", tick())))
}

#[cached(ttl = "5m", key = "static:<id>", invalidates = [text("a")], strict = true)]
async fn write(id: u64, database: &Database) -> Result<u64, &'static str> {
    if database.name.is_empty() { Ok(id) } else { Err("refused") }
}

/// A lifetime that nobody sees.
struct Context<'a>(&'a str);

#[allow(elided_lifetimes_in_paths, reason = "it is what this is about")]
#[cached(ttl = "5m", key = "context:<id>", skip = [context])]
fn hidden(id: u64, context: Context) -> Pin<Box<dyn Future<Output = u64> + Send + '_>> {
    Box::pin(async move { id + tick() + context.0.len() as u64 })
}

#[tokio::test]
async fn a_load_whose_argument_hides_a_lifetime_stays_with_its_caller() {
    run(async {
        let name = "Ada".to_owned();
        assert_eq!(hidden(1, Context(&name)).await, hidden(1, Context(&name)).await);
    })
    .await;
}

#[tokio::test]
async fn errors_with_a_static_lifetime() {
    let database = Database::default();
    let moved = database.clone();
    run(async move {
        assert_eq!(static_error(1, &moved).await, static_error(1, &moved).await);
        assert_eq!(owned_error(1, &moved).await, owned_error(1, &moved).await);
        assert_eq!(text("a").await, text("a").await);
        assert_eq!(write(1, &moved).await, Ok(1));
        assert_eq!(static_error(1, &moved).await, Ok(1));
        let refusing = Database { name: "down".to_owned() };
        assert_eq!(static_error(2, &refusing).await, Err("refused"));
        assert_eq!(owned_error(2, &refusing).await, Err(Refused("refused")));
        assert_eq!(write(2, &refusing).await, Err("refused"));
    })
    .await;
    tokio::spawn(async move { static_error(1, &database).await }).await.expect("no panic").expect("no error");
}
