//! The expansions of ten functions, formatted, in `tests/expansions`: what a change of the macros does to them is seen in
//! its diff. `SNAPSHOTS=overwrite cargo test -p cache-macros` writes them anew.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use proc_macro2::TokenStream;
use quote::quote;

/// The tokens of an expansion as `rustfmt` writes them.
fn formatted(tokens: &TokenStream, in_impl: bool) -> String {
    let tokens = if in_impl { quote!(impl Users { #tokens }) } else { tokens.clone() };
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=110"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt belongs to the toolchain");
    let mut stdin = rustfmt.stdin.take().expect("a pipe");
    stdin.write_all(tokens.to_string().as_bytes()).expect("rustfmt reads");
    drop(stdin);
    let output = rustfmt.wait_with_output().expect("rustfmt ends");
    assert!(output.status.success(), "not Rust: {tokens}");
    String::from_utf8(output.stdout).expect("text")
}

fn check(name: &str, options: TokenStream, item: &TokenStream, in_impl: bool) {
    let expansion = formatted(&super::cached(options, item), in_impl);
    assert!(!expansion.contains("compile_error"), "{name}: {expansion}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expansions").join(format!("{name}.rs"));
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(&file, &expansion).expect("a snapshot can be written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == expansion, "{name}: the expansion is another one:\n{expansion}");
}

#[test]
fn functions_that_read_expand_as_before() {
    let plain = quote!(
        pub async fn get_user(id: u64) -> Result<User, DbError> {
            load(id).await
        }
    );
    check("read", quote!(ttl = "STANDARD", key = "user:<id>"), &plain, false);
    let every = quote! {
        /// Finds one.
        #[cfg(unix)]
        async fn find<'a, T: Clone, const N: usize>((org, mut id): (u64, T), name: &'a str, pool: &Pool) -> Option<Vec<T>> {
            body(org, id, name, pool).await
        }
    };
    let options = quote! {
        ttl = |users| life(users), negative_ttl = "30s", key = "find:<T>:<N>:<org>:<id>:<name>",
        tags = ["org:<org>"], local = "5s", cache_if = |users| !users.is_empty(), bypass_if = org == 0,
        stale_if_error = "1m", version = 2, jitter = 0.5, cache = pool.cache, skip = [pool], detach = false
    };
    check("read_with_every_option", options, &every, false);
    let method = quote!(
        pub async fn find(&self, user: &User) -> Arc<User> {
            self.load(user).await
        }
    );
    check("read_of_a_method", quote!(ttl = "5m", key = "find:<self.org>:<user>"), &method, true);
    let private = quote!(
        async fn find(&self, (a, b): (u64, u64)) -> u64 {
            self.load(a, b).await
        }
    );
    check("read_of_a_private_method", quote!(ttl = "5m", key = "find:<Self>:<a>:<b>"), &private, true);
    let boxed = quote! {
        fn find<'life0, 'async_trait>(&'life0 self, id: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'async_trait>>
        where 'life0: 'async_trait, Self: 'async_trait {
            Box::pin(async move { id })
        }
    };
    check("read_of_an_async_trait", quote!(ttl = "5m", key = "find:<id>"), &boxed, true);
}

#[test]
fn batches_expand_as_before() {
    let batch = quote!(
        async fn get_users(ids: &[u64], org: String) -> Result<HashMap<u64, User>, DbError> {
            load(ids).await
        }
    );
    let options =
        quote!(batch, ttl = "5m", key = "user:<org>:<id>", each = "id in ids", tags = ["org:<org>"]);
    check("batch", options, &batch, false);
    let method = quote!(
        async fn get_users(&self, mut ids: Vec<u64>) -> Vec<Option<User>> {
            self.load(ids).await
        }
    );
    check(
        "batch_of_a_private_method",
        quote!(batch, ttl = "5m", key = "user:<id>", each = "id in ids"),
        &method,
        true,
    );
}

#[test]
fn functions_that_write_expand_as_before() {
    let update = quote!(
        async fn update_user(id: u64, change: Change) -> Result<User, DbError> {
            store(id, change).await
        }
    );
    let options = quote! {
        ttl = "STANDARD", key = "user:<id>", settle = "500ms",
        invalidates = ["users:top", get_user(id), self::list::<u8>(&id), |made| get_user(made.id), "org:<return.org>"]
    };
    check("write", options, &update, false);
    let store = quote!(
        async fn store_user(user: User) -> Result<(), DbError> {
            insert(user).await
        }
    );
    check(
        "write_of_an_argument",
        quote!(ttl = Ttl::default(), key = "user:<user.id>", value = "user"),
        &store,
        false,
    );
    let remove = quote!(
        pub async fn remove(&self, id: u64) {
            self.delete(id).await
        }
    );
    let options = quote!(invalidates = [self.find(id), tag("org:<self.org>"), "user:<id>:*"], strict = false);
    check("invalidation_of_a_method", options, &remove, true);
}
