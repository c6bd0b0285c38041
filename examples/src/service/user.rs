//! Users: register, look up, rename, delete, and who rates most.

use cache_runtime::cached;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqliteExecutor, SqlitePool};

use super::Error;
use crate::database::BEGIN_WRITE;

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// How many films this user has rated.
    pub(crate) ratings: i64,
}

/// How many users [`top_users`] lists at most.
const TOP: i64 = 10;

/// A user, or `None` if nobody has this id.
///
/// # Consistency
/// Current. That nobody has the id is remembered for ten seconds, so that a client that asks again and again does not
/// reach the database; [`create_user`] ends it.
#[cached(ttl = "STANDARD", key = "user:<id>", skip = [pool], negative_ttl = "REALTIME")]
pub(crate) async fn get_user(pool: &SqlitePool, id: i64) -> Result<Option<User>, Error> {
    Ok(load(pool, id).await?)
}

/// Those with most ratings, the first first. Who has not rated is not on the list.
///
/// # Consistency
/// Current: each write that can change the list invalidates it.
#[cached(ttl = "FREQUENT", key = "users:leaderboard", skip = [pool])]
pub(crate) async fn top_users(pool: &SqlitePool) -> Result<Vec<User>, Error> {
    let users = sqlx::query_as(
        "SELECT users.id, users.name, count(*) AS ratings
         FROM ratings JOIN users ON users.id = ratings.user_id
         GROUP BY users.id ORDER BY ratings DESC, users.id LIMIT ?",
    )
    .bind(TOP)
    .fetch_all(pool)
    .await?;
    Ok(users)
}

/// Registers a user.
///
/// The id is known only afterwards, so the entry is named by a closure over the result. There is none with a user in
/// it, but there may be one that remembers that nobody had this id.
///
/// # Errors
/// [`Error::NameTaken`] if somebody has the name.
#[cached(invalidates = [|made: &User| get_user(made.id)])]
pub(crate) async fn create_user(pool: &SqlitePool, name: UserName) -> Result<User, Error> {
    let id = sqlx::query("INSERT INTO users (name) VALUES (?)")
        .bind(&name.0)
        .execute(pool)
        .await
        .map_err(|error| name_error(error, &name))?
        .last_insert_rowid();
    Ok(User { id, name: name.0, ratings: 0 })
}

/// Gives a user another name.
///
/// Write-through: the user as he is now replaces the entry of [`get_user`], which therefore does not miss afterwards.
///
/// # Errors
/// [`Error::UnknownUser`] if nobody has the id, [`Error::NameTaken`] if somebody else has the name.
#[cached(ttl = "STANDARD", key = "user:<id>", invalidates = ["users:leaderboard"])]
pub(crate) async fn rename_user(pool: &SqlitePool, id: i64, name: UserName) -> Result<User, Error> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    sqlx::query("UPDATE users SET name = ? WHERE id = ?")
        .bind(&name.0)
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(|error| name_error(error, &name))?;
    let user = load(&mut *transaction, id).await?.ok_or(Error::UnknownUser(id))?;
    transaction.commit().await?;
    Ok(user)
}

/// Deletes a user. The ratings stay, as nobody's: no film changes by it.
///
/// # Errors
/// [`Error::UnknownUser`] if nobody has the id.
#[cached(invalidates = [get_user(id), top_users()])]
pub(crate) async fn delete_user(pool: &SqlitePool, id: i64) -> Result<(), Error> {
    let deleted = sqlx::query("DELETE FROM users WHERE id = ?").bind(id).execute(pool).await?.rows_affected();
    if deleted == 0 { Err(Error::UnknownUser(id)) } else { Ok(()) }
}

async fn load(executor: impl SqliteExecutor<'_>, id: i64) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, name, (SELECT count(*) FROM ratings WHERE user_id = users.id) AS ratings
         FROM users WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
}

fn name_error(error: sqlx::Error, name: &UserName) -> Error {
    let taken = error.as_database_error().is_some_and(|error| error.is_unique_violation());
    if taken { Error::NameTaken(name.0.clone()) } else { error.into() }
}

/// A name that can be stored and shown: 1 to 50 characters, no control characters, no space around it.
#[derive(Debug, Clone)]
pub(crate) struct UserName(String);

impl UserName {
    const MAX_CHARS: usize = 50;

    /// Takes the spaces off both ends and checks the rest.
    ///
    /// # Errors
    /// [`Error::BadName`], with the reason.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let name = text.trim();
        if name.is_empty() {
            return Err(Error::BadName("is empty: write 1 to 50 characters"));
        }
        if name.chars().count() > Self::MAX_CHARS {
            return Err(Error::BadName("is too long: write at most 50 characters"));
        }
        if name.chars().any(char::is_control) {
            return Err(Error::BadName("holds a control character: write it in one line of text"));
        }
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_text() {
        let parse = |text: &str| UserName::parse(text).map(|name| name.0);
        for good in ["Ada", "Ada Lovelace", "Ἀσπασία", "李", &"é".repeat(50)] {
            assert_eq!(parse(good).unwrap(), good);
        }
        assert_eq!(parse("  Ada ").unwrap(), "Ada");
        for bad in ["", "   ", "a\nb", "a\0b", &"é".repeat(51)] {
            assert!(matches!(parse(bad), Err(Error::BadName(_))), "{bad:?}");
        }
    }
}
