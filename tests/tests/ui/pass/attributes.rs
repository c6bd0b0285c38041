//! What else stands on a function: documentation, lints, `#[must_use]`, `#[cfg]`, `#[tracing::instrument]`.

use cache_runtime::cached;

use super::{once, run, tick};

/// Is documented, with a link to itself: [`documented`].
///
/// # Errors
/// Never.
#[cached(ttl = "STANDARD", key = "documented:<id>")]
pub(super) async fn documented(id: u64) -> Result<u64, String> {
    Ok(tick() + id)
}

/// Each visibility.
pub(crate) mod visible {
    use cache_runtime::cached;

    use super::tick;

    /// Public.
    #[cached(ttl = "5m", key = "public:<id>")]
    pub(crate) async fn public(id: u64) -> u64 {
        tick() + id
    }

    #[cached(ttl = "5m", key = "in-path:<id>")]
    pub(in crate::attributes) async fn in_path(id: u64) -> u64 {
        tick() + id
    }
}

#[must_use]
#[cached(ttl = "5m", key = "must-use:<id>")]
async fn must_use_above(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "must-use-below:<id>")]
#[must_use = "it is expensive"]
async fn must_use_below(id: u64) -> u64 {
    tick() + id
}

#[cfg(any())]
#[cached(ttl = "5m", key = "absent:<id>")]
async fn absent(id: u64) -> Missing {
    tick() + id
}

#[cached(ttl = "5m", key = "absent:<id>")]
#[cfg(any())]
async fn absent_below(id: u64) -> Missing {
    tick() + id
}

#[cached(ttl = "5m", key = "present:<id>")]
#[cfg(not(any()))]
async fn present(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "either:<id>")]
#[cfg(not(any()))]
async fn either(id: u64) -> u64 {
    tick() + id
}

#[cached(ttl = "5m", key = "either:<id>")]
#[cfg(any())]
async fn either(id: Missing) -> u64 {
    tick() + id
}

#[tracing::instrument]
#[cached(ttl = "5m", key = "traced-above:<id>")]
async fn traced_above(id: u64) -> Result<u64, String> {
    Ok(tick() + id)
}

#[cached(ttl = "5m", key = "traced-below:<id>")]
#[tracing::instrument(skip(id), fields(user = id), err)]
async fn traced_below(id: u64) -> Result<u64, String> {
    Ok(tick() + id)
}

#[cached(ttl = "5m", key = "allowed:<id>")]
#[allow(clippy::unused_async, clippy::no_effect_underscore_binding, reason = "tested")]
#[expect(unused_variables, reason = "tested")]
#[inline]
async fn lints(id: u64) -> u64 {
    let unused = 1;
    tick()
}

#[cached(ttl = "5m", key = "deprecated:<id>")]
#[deprecated = "of no use"]
async fn old(id: u64) -> u64 {
    tick() + id
}

struct Service;

impl Service {
    /// Documented.
    #[must_use]
    #[cached(ttl = "5m", key = "method:<id>")]
    #[tracing::instrument(skip_all)]
    pub(crate) async fn method(&self, id: u64) -> u64 {
        tick() + id
    }

    #[tracing::instrument(skip_all)]
    #[cached(ttl = "5m", key = "private-method:<id>")]
    async fn private(&self, id: u64) -> u64 {
        tick() + id
    }

    #[cfg(any())]
    #[cached(ttl = "5m", key = "absent-method:<id>")]
    pub(crate) async fn absent(&self, id: u64) -> Missing {
        tick() + id
    }

    #[cached(ttl = "5m", key = "absent-method:<id>")]
    #[cfg(any())]
    pub(crate) async fn absent_below(&self, id: u64) -> Missing {
        tick() + id
    }
}

#[tokio::test]
async fn attributes_stay_on_the_function() {
    run(async {
        assert!(once!(documented(1)).is_ok());
        once!(visible::public(1));
        once!(visible::in_path(1));
        assert!(visible::in_path::entry(&1).peek().await.is_some());
        once!(must_use_above(1));
        once!(must_use_below(1));
        once!(present(1));
        once!(either(1));
        once!(lints(1));
        #[expect(deprecated, reason = "tested")]
        {
            once!(old(1));
        }
    })
    .await;
}

#[tokio::test]
async fn functions_are_traced_above_and_below() {
    run(async {
        assert!(once!(traced_above(1)).is_ok());
        assert!(once!(traced_below(1)).is_ok());
        once!(Service.method(1));
        assert!(Service.method_entry(&1).peek().await.is_some());
        once!(Service.private(1));
    })
    .await;
}
