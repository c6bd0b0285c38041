//! What the service can do. Each function says in its attribute what is cached, for how long, and what a write makes
//! unusable; its body is what it would be without a cache, and nobody else in this program knows that there is one.
//!
//! Which write changes which read:
//!
//! | | `get_user` | `top_users` | `get_film` | `top_films` | `genres`, `film_page` |
//! |---|---|---|---|---|---|
//! | `create_user` | the absence that was remembered | – (no ratings yet) | – | – | – |
//! | `rename_user` | stored | invalidated | – | – | – |
//! | `delete_user` | invalidated | invalidated | – (the ratings stay, as nobody's) | – | – |
//! | `rate_film` | invalidated | invalidated | invalidated | invalidated | – (no ratings in them) |
//!
//! So a read that starts after a write has returned sees it, everywhere. The lists by genre hold what the catalogue
//! says and nothing that a write changes: one rating would otherwise make every page unusable on which the film is.

pub(crate) mod film;
pub(crate) mod rating;
pub(crate) mod user;

use std::sync::Arc;

/// Why a call of the service failed.
///
/// `Clone`, so that callers who waited for one shared load all get the error of that load.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no user {0}")]
    UnknownUser(i64),
    /// As [`UnknownUser`](Self::UnknownUser), but named by the body of a request and not by its path.
    #[error("`user_id` is {0}, and there is no such user: register one with POST /api/users")]
    UnknownRater(i64),
    #[error("there is no film {0}")]
    UnknownFilm(i64),
    #[error("there is no genre `{genre}`: choose one of {}", .known.join(", "))]
    UnknownGenre { genre: String, known: Vec<String> },
    #[error("there is no page {page}: the last one is {last}")]
    UnknownPage { page: u32, last: u32 },
    #[error("the name `{0}` is taken")]
    NameTaken(String),
    #[error("`name` {0}")]
    BadName(&'static str),
    #[error("`stars` is {0}, but must be a whole number from 1 to 10")]
    BadStars(i64),
    #[error("the database failed: {0}")]
    Database(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    /// What no compiler sees: a key in `invalidates` that no function has, two types under one key.
    #[test]
    fn the_cache_has_no_loose_ends() {
        assert_eq!(cache_runtime::registry::audit(), []);
    }
}
