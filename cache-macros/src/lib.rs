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
/// | `key` | `"user:<id>"` | the key; `<x>` is an argument, `<x.field>` a field path, `<x.0>` an index, `<x.slug()>` a method without arguments, `<self.field>`, a type parameter `<T>`; `<<` and `>>` stand for themselves |
/// | `ttl` | `"STANDARD"`, `"1h 30m"`, an expression, <code>\|user\| ..</code> | how long a value is fresh: a class, a duration, an expression of type `Ttl` or `Duration`, or one chosen from the value; zero: not stored |
/// | `skip` | `[pool]` | arguments that do not tell entries apart; `#[cache(skip)]` on the argument says the same |
/// | `mode` | `"cache-aside"`, `"write-through"` | default: write-through where `invalidates` or `value` is given |
/// | `value` | `"user"` | write-through: store this argument instead of the result |
/// | `invalidates` | list | `"users:leaderboard"` a key, `get_user(id)` an entry of another cached function, <code>\|made\| get_user(made.id)</code> or `"user:<return.id>"` one that needs the result |
/// | `negative_ttl` | class or duration | how long `None` is cached; default: not at all |
/// | `jitter` | `0.1` | share of the TTL that is taken off at random; default 0.1 |
/// | `cache_if` | <code>\|user\| ..</code> | stores only values for which this is true |
/// | `bypass_if` | expression | runs the body without the cache where this is true; a write still invalidates |
/// | `version` | `2` | part of the key (`v2:user:42`), for a change of meaning that no decoder can see |
/// | `cache` | expression | which `Cache`; default: the current one |
/// | `companion` | a name, `false` | another name for what stands beside the function, or nothing |
/// | `crate` | path | where `cache_runtime` is, for crates that re-export it |
///
/// Each argument of a function that reads is in `key` or in `skip`, else it does not compile: a forgotten `<tenant>`
/// would serve one tenant's answer to another.
///
/// # The companion
/// Beside a free function `get_user` stands a type of the same name: `get_user::entry(&42)` is the
/// `Entry` of these arguments, `get_user::uncached(42)` the body itself. An inherent method `find` with a written
/// visibility has `self.find_entry(&42)` and `self.find_uncached(42)`. An associated function without `self` takes
/// `companion = false`, and so does a function beside a module or a type of its name (or `companion = user_cache`).
///
/// # Cancel safety
/// As the function: a call that is dropped gives its lease back; a write that is dropped still invalidates.
///
/// # Consistency
/// A read that begins after a write has returned does not get the older value, in any process.
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
