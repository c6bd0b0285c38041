//! Ratings: a user gives a film stars.

use cache_runtime::cached;
use serde::Serialize;
use sqlx::SqlitePool;

// The targets of an invalidation are written like calls, so they are in scope like functions.
use super::{
    Error,
    film::{get_film, top_films},
    user::{get_user, top_users},
};
use crate::database::BEGIN_WRITE;

/// What [`rate_film`] stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Rating {
    pub(crate) film_id: i64,
    pub(crate) user_id: i64,
    pub(crate) stars: u8,
    /// Whether this is the first rating of the film by this user. Otherwise it replaced the one before.
    #[serde(skip)]
    pub(crate) first: bool,
}

/// Stores the rating of a film by a user, in place of an earlier one.
///
/// It changes what four other functions return, and names them. The lists by genre show no ratings.
///
/// # Errors
/// [`Error::UnknownFilm`] and [`Error::UnknownRater`] if there is no such film or user.
#[cached(invalidates = [get_film(film_id), top_films(), get_user(user_id), top_users()])]
pub(crate) async fn rate_film(
    pool: &SqlitePool,
    film_id: i64,
    user_id: i64,
    stars: Stars,
) -> Result<Rating, Error> {
    // One transaction, so that the film and the user are still there when the rating goes in.
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let (film, user, rated): (bool, bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM films WHERE id = ?1),
                EXISTS (SELECT 1 FROM users WHERE id = ?2),
                EXISTS (SELECT 1 FROM ratings WHERE film_id = ?1 AND user_id = ?2)",
    )
    .bind(film_id)
    .bind(user_id)
    .fetch_one(&mut *transaction)
    .await?;
    if !film {
        return Err(Error::UnknownFilm(film_id));
    }
    if !user {
        return Err(Error::UnknownRater(user_id));
    }
    sqlx::query(
        "INSERT INTO ratings (film_id, user_id, stars) VALUES (?, ?, ?)
         ON CONFLICT (film_id, user_id) DO UPDATE SET stars = excluded.stars",
    )
    .bind(film_id)
    .bind(user_id)
    .bind(stars.0)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Rating { film_id, user_id, stars: stars.0, first: !rated })
}

/// 1 to 10 stars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stars(u8);

impl Stars {
    /// Checks the range.
    ///
    /// # Errors
    /// [`Error::BadStars`] outside of it.
    pub(crate) fn parse(stars: i64) -> Result<Self, Error> {
        match u8::try_from(stars) {
            Ok(stars @ 1..=10) => Ok(Self(stars)),
            _ => Err(Error::BadStars(stars)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_one_to_ten() {
        for good in 1..=10 {
            assert!(Stars::parse(good).is_ok(), "{good}");
        }
        for bad in [0, -1, 11, 256, 257, 266, i64::MAX, i64::MIN] {
            assert!(matches!(Stars::parse(bad), Err(Error::BadStars(stars)) if stars == bad));
        }
    }
}
