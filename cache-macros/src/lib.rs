//! The attribute `#[cached]` and the derive `KeyPart`, re-exported and documented by `cache-runtime`.

mod derive;
mod diag;
mod expand;
mod model;
mod parse;
mod suggest;

use proc_macro::TokenStream;

/// Caches what an async function returns.
///
/// ```
/// use cache_runtime::cached;
///
/// #[cached(ttl = "5m", key = "greeting:<name>")]
/// async fn greeting(name: String) -> String {
///     format!("hello {name}") // runs on a miss only
/// }
/// ```
///
/// A function with `invalidates` writes: its body always runs, its result is stored under `key`, and the targets are
/// invalidated. With `invalidates` alone it stores nothing.
///
/// | option | value | meaning |
/// |---|---|---|
/// | `key` | `"user:<id>"` | the key; `<x>` is an argument, `<x.field>` a field path, `<x.0>` an index, `<x.slug()>` a method without arguments, `<self.field>`, a type or const parameter `<T>` of the function or of its `impl`, `<Self>`; `<<` and `>>` stand for themselves; braces may enclose a placeholder, as the hash tag of a cluster: `{user:<id>}` |
/// | `ttl` | `"STANDARD"`, `"1h 30m"`, an expression, <code>\|user\| ..</code> | how long a value is fresh: a class, a duration, an expression of type `Ttl` or `Duration`, or one chosen from the value; zero: not stored |
/// | `skip` | `[pool]` | arguments, and type and const parameters, that do not tell entries apart; `#[cache(skip)]` on the argument says the same; beside `<query.tag>` it says that the rest of `query` does not matter |
/// | `mode` | `"cache-aside"`, `"write-through"` | default: write-through where `invalidates` or `value` is given |
/// | `value` | `"user"` | write-through: store this argument instead of the result |
/// | `invalidates` | list | `"users:leaderboard"` a key, `"user:<id>:*"` a pattern, `tag("org:<org>")` all entries with this tag, `get_user(id)` an entry of another cached function, `self.find(id)` one of a method, <code>\|made\| get_user(made.id)</code> or `"user:<return.id>"` one that needs the result |
/// | `tags` | `["org:<org>"]` | labels of the entry, by which `tag(..)` in `invalidates` makes a group of entries unusable at once; placeholders as in `key`, and an argument in a tag must still be in `key` or in `skip` |
/// | `local` | `"5s"`, `false` | longest time a value may live in this process, too, where a hit costs no round trip; at most `ttl`; `false`: never; default: as the cache says |
/// | `negative_ttl` | class or duration | how long `None` is cached; default: not at all |
/// | `jitter` | `0.1` | share of the TTL that is taken off at random; default 0.1 |
/// | `cache_if` | <code>\|user\| ..</code> | stores only values for which this is true |
/// | `unchanged_if` | <code>\|error\| ..</code> | on a write: errors that say that nothing was changed; such a write invalidates nothing |
/// | `bypass_if` | expression | runs the body without the cache where this is true; a write still invalidates |
/// | `batch`, `each` | `"id in ids"` | reads many entries at once: `ids` is the argument that lists them, `<id>` in `key` one of them |
/// | `stale_while_revalidate` | `"30s"` | how long past its TTL a value is still served at once, while one caller in the fleet loads the next in the background (RFC 5861) |
/// | `stale_if_error` | `"1h"` | how long past its TTL a value is served instead of an `Err`; the load is not tried again for a second |
/// | `early_refresh` | `1.0`, `false` | beta of XFetch: near its end a value is refreshed in the background, the likelier the longer its load takes; default 1.0 where the load can be detached |
/// | `load_timeout` | `"5s"` | how long others wait for a load before they serve what is stale or run their own body; default 30 s |
/// | `detach` | `true`, `false` | whether a load goes on when its caller goes away. Default: wherever it can, which is in free functions whose arguments are owned or can be cloned and whose future is `Send`; `true` makes a reason against it a compile error, and allows it for methods of a `Self: Clone` |
/// | `strict` | `true` | on a write: fence the targets in `invalidates` while the body runs, too, so that a read after the *commit* gets the new value; keys only, no tags and no patterns |
/// | `settle` | `"500ms"` | on a write: keep its keys fenced for so long, for loaders that read from a lagging replica; nothing is stored meanwhile; keys only |
/// | `version` | `2` | part of the key (`v2:user:42`), for a change of meaning that no decoder can see |
/// | `cache` | expression | which `Cache`; default: the current one |
/// | `companion` | a name, `false` | another name for what stands beside the function, or nothing |
/// | `crate` | path | where `cache_runtime` is, for crates that re-export it |
///
/// Each argument of a function that reads is in `key` or in `skip`, else it does not compile: a forgotten `<tenant>`
/// would serve one tenant's answer to another. So is each type and const parameter of the function and of its `impl`. Of an
/// argument of which only fields or methods are in the key, the rest is forgotten: `skip = [query]` beside `<query.tag>` says
/// that it does not matter.
///
/// A function whose name begins with a word such as `update` or `delete` and has no `invalidates` does not compile either: a
/// hit would skip its body. `mode = "cache-aside"` says that it only reads.
///
/// # Methods
/// `self` need not be in the key: two instances with other databases share their entries, unless something of them is in the
/// key, such as `<self.org>`. The parameters of a generic type must be, or `<Self>`, which is all of its type.
///
/// # The companion
/// Beside a free function `get_user` stands a type of the same name: `get_user::entry(&42)` is the
/// `Entry` of these arguments, `get_user::uncached(42)` the body itself. An inherent method `find` with a written
/// visibility has `self.find_entry(&42)` and `self.find_uncached(42)`; a private one is written `pub(self) async fn find`. A
/// target names it as it is called, `self.find(id)`. An associated function without `self` takes
/// `companion = false`, and so does a function beside a module or a type of its name (or `companion = user_cache`).
///
/// # Batches
/// ```
/// # use std::collections::HashMap;
/// # use cache_runtime::cached;
/// #[cached(batch, ttl = "5m", key = "user:<id>", each = "id in ids")]
/// async fn get_users(ids: &[u64]) -> Result<HashMap<u64, String>, std::io::Error> {
///     Ok(ids.iter().map(|id| (*id, format!("user {id}"))).collect()) // with the ids that missed
/// }
/// ```
/// The ids come as `&[K]`, `&Vec<K>` or `Vec<K>`, the values go as `HashMap<K, V>`, `BTreeMap<K, V>` or `Vec<Option<V>>`
/// in the order of the ids, plain or in a `Result`. The entries are those of a `get_user(id)` with the same key and the
/// same value. The body may run twice, so arguments that it takes by value are cloned. A batch has no `entry(..)`.
///
/// # Loads that go on without their caller
/// A load is polled by the caller who began it, in his task, with his task-locals and his span. When he goes away and the
/// load can be detached, it goes on in a task of its own: the others get its result, and it is stored. A body that reads
/// task-locals of yours, or must stop with its caller, says `detach = false`; so do functions with an argument type whose
/// lifetime is not written. A cached function that calls itself does so as `Box::pin(tree(id)).await`; of functions that call
/// each other in a circle each says `detach = false`, and one boxes its call.
///
/// # Cancel safety
/// A caller that goes away leaves no other waiting: its load goes on, or gives its lease back and another caller runs the
/// body. A write that is dropped still invalidates, and keeps its keys fenced for a second, for it may land later.
///
/// # Consistency
/// A read that begins after a write has returned does not get the older value, in any process. With
/// `stale_while_revalidate` and `stale_if_error` a value may be served past its TTL, never past an invalidation.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::cached(options.into(), &item.into()).into()
}

/// Lets a type of yours be part of a key: its fields are written one after another.
///
/// ```
/// use cache_runtime::{KeyPart, cached};
///
/// #[derive(KeyPart)]
/// struct UserId(u64);
///
/// #[cached(ttl = "5m", key = "user:<id>")]
/// async fn name(id: UserId) -> String {
///     id.0.to_string()
/// }
/// ```
///
/// For structs whose fields are all `KeyPart`, and for enums without fields, which are written by their names.
/// `#[key_part(crate = path)]` says where `cache_runtime` is.
#[proc_macro_derive(KeyPart, attributes(key_part))]
pub fn key_part(item: TokenStream) -> TokenStream {
    derive::key_part(item.into()).into()
}
