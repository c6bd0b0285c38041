//! Arguments of every form: borrowed, destructured, hidden behind a trait, skipped.

use std::{borrow::Cow, fmt::Display, sync::Arc};

use cache_runtime::{KeyPart, cached};

use super::{once, run, tick};

#[cached(ttl = "5m", key = "text:<name>")]
async fn text(name: &str) -> u64 {
    tick() + name.len() as u64 * 1_000_000
}

#[cached(ttl = "5m", key = "owned:<name>")]
async fn owned(name: String) -> u64 {
    drop(name);
    tick()
}

#[cached(ttl = "5m", key = "slice:<ids>")]
async fn slice(ids: &[u64]) -> (usize, u64) {
    (ids.len(), tick())
}

#[cached(ttl = "5m", key = "list:<ids>")]
async fn list(mut ids: Vec<u64>) -> (Vec<u64>, u64) {
    ids.sort_unstable();
    (ids, tick())
}

#[cached(ttl = "5m", key = "cow:<name>:<shared>:<array>:<pair>")]
async fn others(name: Cow<'_, str>, shared: Arc<str>, array: [u8; 2], pair: (u8, Option<char>)) -> u64 {
    let _ = (name, shared, array, pair);
    tick()
}

#[cached(ttl = "5m", key = "lifetime:<first>:<second>")]
async fn lifetimes<'a, 'b: 'a>(first: &'a str, second: &'b str) -> (String, u64) {
    (format!("{first}{second}"), tick())
}

#[cached(ttl = "5m", key = "hidden:<id>")]
async fn hidden(id: impl KeyPart + Into<u64> + Send) -> (u64, u64) {
    (id.into(), tick())
}

#[cached(ttl = "5m", key = "hidden-skipped:<id>", skip = [log])]
async fn hidden_and_skipped(id: u64, log: impl Fn(u64) + Send) -> u64 {
    log(id);
    tick()
}

#[cached(ttl = "5m", key = "borrowed-trait:<id>")]
async fn borrowed_trait(id: &(impl KeyPart + Display + Sync)) -> (String, u64) {
    (id.to_string(), tick())
}

struct Page {
    number: u32,
    size: u32,
    order: Order,
}

#[derive(KeyPart)]
enum Order {
    Newest,
    Oldest,
}

#[cached(ttl = "5m", key = "tuple:<org>:<id>")]
async fn tuple((org, id): (u64, u64)) -> (u64, u64) {
    (org + id, tick())
}

#[cached(ttl = "5m", key = "struct:<number>:<size>:<order>")]
async fn structure(Page { number, size, order }: Page) -> (u32, u64) {
    let _ = order;
    (number * size, tick())
}

#[cached(ttl = "5m", key = "nested:<a>:<b>:<c>")]
async fn nested((a, (mut b, [c, _])): (u64, (u64, [u64; 2]))) -> (u64, u64) {
    b += 1;
    (a + b + c, tick())
}

#[expect(clippy::toplevel_ref_arg, reason = "tested")]
#[cached(ttl = "5m", key = "ref:<name>:<count>")]
async fn by_ref(ref name: String, mut count: u64) -> (u64, u64) {
    count += name.len() as u64;
    (count, tick())
}

#[cached(ttl = "5m", key = "field:<page.number>:<page.size>:<page.order>", skip = [page])]
async fn fields(page: Page) -> u64 {
    tick() + u64::from(page.number)
}

#[cached(ttl = "5m", key = "index:<pair.0>:<pair.1.0>", skip = [pair])]
async fn indices(pair: (u64, (u64, f64))) -> u64 {
    let _ = pair;
    tick()
}

#[cached(ttl = "5m", key = "method:<name.len()>:<name.trim()>", skip = [name])]
async fn methods(name: String) -> u64 {
    drop(name);
    tick()
}

#[cached(ttl = "5m", key = "skip:<id>", skip = [rate, pool])]
async fn skipped(id: u64, rate: f64, pool: &mut Vec<u64>) -> u64 {
    pool.push(id);
    tick() + u64::from(rate > 1.0)
}

#[cached(ttl = "5m", key = "marked:<id>")]
async fn marked(id: u64, #[cache(skip)] rate: f64, #[cache(skip)] (_, _): (u64, f64)) -> u64 {
    let _ = (id, rate);
    tick()
}

#[cached(ttl = "5m", key = "none")]
async fn none() -> u64 {
    tick()
}

#[tokio::test]
async fn borrowed_arguments() {
    run(async {
        assert_ne!(once!(text("ann")), once!(text("bob")));
        assert_eq!(text::entry("ann").key().to_string(), "text:ann");
        assert_ne!(once!(owned("ann".to_owned())), once!(owned("bob".to_owned())));
        assert_eq!(owned::entry("a:b").key().to_string(), "owned:a%3Ab");
        assert_ne!(once!(slice(&[1, 2])), once!(slice(&[12])));
        assert_eq!(once!(list(vec![3, 1])).0, [1, 3]);
        assert!(list::entry(&[3, 1]).peek().await.is_some());
        once!(others("a".into(), "b".into(), [1, 2], (1, None)));
        assert_ne!(once!(lifetimes("a", "b")), once!(lifetimes("b", "a")));
    })
    .await;
}

#[tokio::test]
async fn arguments_behind_a_trait() {
    run(async {
        assert_eq!(once!(hidden(7_u32)).0, 7);
        assert_ne!(once!(hidden_and_skipped(1, |_| ())), once!(hidden_and_skipped(2, |_| ())));
        assert_eq!(once!(borrowed_trait(&5)).0, "5");
    })
    .await;
}

#[tokio::test]
async fn destructured_arguments() {
    run(async {
        assert_eq!(once!(tuple((1, 2))).0, 3);
        assert_ne!(once!(tuple((1, 2))), once!(tuple((2, 1))));
        assert_eq!(tuple::entry(&(1, 2)).key().to_string(), "tuple:1:2");
        assert_eq!(once!(by_ref("abc".to_owned(), 4)).0, 7);
        let page = |order| Page { number: 2, size: 10, order };
        assert_eq!(once!(structure(page(Order::Newest))).0, 20);
        assert_ne!(once!(structure(page(Order::Newest))), once!(structure(page(Order::Oldest))));
        assert_eq!(once!(nested((1, (2, [3, 4])))).0, 7);
        assert_eq!(once!(fields(page(Order::Newest))), fields(page(Order::Newest)).await);
        assert_eq!(once!(indices((1, (2, 0.5)))), indices((1, (2, 0.7))).await);
        assert_ne!(once!(methods("a".to_owned())), once!(methods("b".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn arguments_that_do_not_tell_entries_apart() {
    run(async {
        assert_eq!(skipped(1, 0.5, &mut vec![]).await, skipped(1, 0.7, &mut vec![]).await);
        assert_eq!(marked(1, 0.5, (1, 0.5)).await, marked(1, 0.7, (2, 0.7)).await);
        assert_eq!(marked::entry(&1).key().to_string(), "marked:1");
        once!(none());
        assert_eq!(none::entry().key().to_string(), "none");
    })
    .await;
}
