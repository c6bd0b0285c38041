//! Bodies: `?`, early `return`, recursion, loops, names of ours, functions in functions.

use std::{future::Future, pin::Pin};

use cache_runtime::{Cache, cached};

use super::{once, run, tick};

#[cached(ttl = "5m", key = "question:<text>")]
async fn question(text: &str) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let number: u64 = text.parse()?;
    Ok(number + tick())
}

#[cached(ttl = "5m", key = "question-option:<text>")]
async fn question_of_option(text: &str) -> Option<u64> {
    let first = text.chars().next()?;
    Some(u64::from(first) + tick())
}

#[cached(ttl = "5m", key = "return:<id>")]
async fn early(id: u64) -> u64 {
    for candidate in 0.. {
        if candidate == id {
            return tick() + candidate;
        }
    }
    unreachable!()
}

#[cached(ttl = "5m", key = "boxed-future:<id>", companion = false)]
async fn inline_body(id: u64) -> Result<Option<u64>, String> {
    let found = question(&id.to_string()).await.map_err(|error| error.to_string())?;
    if found == 0 {
        return Ok(None);
    }
    Ok(Some(tick()))
}

#[cached(ttl = "5m", key = "factorial:<number>")]
async fn factorial(number: u64) -> u64 {
    if number < 2 {
        tick();
        return 1;
    }
    number * Box::pin(factorial(number - 1)).await
}

#[cached(ttl = "5m", key = "boxed-recursion:<number>")]
async fn sum(number: u64) -> u64 {
    fn boxed(number: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(sum(number))
    }
    if number == 0 { 0 } else { number + boxed(number - 1).await }
}

#[cached(ttl = "5m", key = "itself:<id>")]
async fn itself(id: u64, #[cache(skip)] depth: u64) -> u64 {
    if depth == 0 { tick() + id } else { Box::pin(itself(id, depth - 1)).await }
}

#[cached(ttl = "5m", key = "names:<cache>:<site>:<key>:<output>")]
async fn names_of_ours(cache: u64, site: u64, key: u64, output: u64) -> u64 {
    let (shape, rules, body, call, write, made) = (1, 1, 1, 1, 1, 1);
    tick() + cache + site + key + output + shape + rules + body + call + write + made
}

#[cached(ttl = "5m", key = "names-inline:<cache>:<site>:<key>:<result>", companion = false)]
async fn names_of_ours_inline(cache: u64, site: u64, key: u64, result: u64) -> u64 {
    let (shape, rules, body, call, write, made) = (1, 1, 1, 1, 1, 1);
    tick() + cache + site + key + result + shape + rules + body + call + write + made
}

#[cached(ttl = "5m", key = "names-write:<cache>", invalidates = ["<write>-<targets>"])]
async fn names_of_ours_in_a_write(cache: u64, write: u64, targets: u64) -> u64 {
    let (output, late, made) = (1, 1, 1);
    tick() + cache + write + targets + output + late + made
}

macro_rules! cached_function {
    ($name:ident, $argument:ident: $type:ty, $key:literal) => {
        #[cached(ttl = "5m", key = $key)]
        async fn $name($argument: $type) -> u64 {
            tick() + u64::from($argument)
        }
    };
}
cached_function!(from_a_macro, id: u32, "from-a-macro:<id>");

#[tokio::test]
async fn bodies_leave_early() {
    run(async {
        assert_eq!(question("1").await.unwrap(), question("1").await.unwrap());
        assert!(question("x").await.unwrap_err().is::<std::num::ParseIntError>());
        assert!(once!(question_of_option("a")).is_some());
        assert_eq!(question_of_option("").await, None);
        once!(early(3));
        assert!(once!(inline_body(3)).is_ok());
    })
    .await;
}

#[tokio::test]
async fn recursion_is_cached_at_each_step() {
    run(async {
        assert_eq!(factorial(10).await, 3_628_800);
        assert_eq!(factorial::entry(&5).peek().await, Some(120));
        assert_eq!(sum(20).await, 210);
        assert_eq!(sum::entry(&19).peek().await, Some(190));
    })
    .await;
}

#[tokio::test]
async fn a_call_for_the_key_that_is_just_loaded_does_not_wait_for_itself() {
    run(async {
        assert_eq!(itself(1, 3).await, itself(1, 0).await);
    })
    .await;
}

#[tokio::test]
async fn names_do_not_clash() {
    run(async {
        once!(names_of_ours(1, 2, 3, 4));
        once!(names_of_ours_inline(1, 2, 3, 4));
        let written = names_of_ours_in_a_write(1, 2, 3).await;
        assert_eq!(names_of_ours_in_a_write::entry(&1).peek().await, Some(written));
        once!(from_a_macro(1_u32));
    })
    .await;
}

#[tokio::test]
async fn functions_in_functions() {
    #[cached(ttl = "5m", key = "inner:<id>")]
    async fn inner(id: u64) -> u64 {
        #[cached(ttl = "5m", key = "innermost:<id>")]
        async fn innermost(id: u64) -> u64 {
            tick() + id
        }
        innermost(id).await + tick()
    }

    run(async {
        let first = once!(inner(1));
        inner::entry(&1).invalidate().await;
        assert_ne!(inner(1).await, first);
        assert!(Cache::current().get::<u64>("innermost:1").await.is_some());
    })
    .await;
}
