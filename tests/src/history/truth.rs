//! The database of a run: one SQLite file that all processes share.

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::event::{Item, Time, WriteId, now};

/// How far the replica is behind.
pub const LAG: Duration = Duration::from_millis(40);

/// The items, and every version that one of them ever had.
#[derive(Clone, Debug)]
pub struct Truth(SqlitePool);

const SCHEMA: &str = "
CREATE TABLE items (key INTEGER PRIMARY KEY, version INTEGER NOT NULL, writer INTEGER NOT NULL) STRICT;
CREATE TABLE versions (
    key INTEGER NOT NULL, version INTEGER NOT NULL, writer INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (key, version)
) STRICT;
";

impl Truth {
    /// Makes the file, with so many items at version 0.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn create(path: &Path, keys: u64) -> Result<Self, sqlx::Error> {
        let truth = Self::connect(path, true).await?;
        sqlx::raw_sql(SCHEMA).execute(&truth.0).await?;
        for key in 0..keys {
            sqlx::query("INSERT INTO items VALUES (?, 0, 0)").bind(signed(key)).execute(&truth.0).await?;
        }
        Ok(truth)
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        Self::connect(path, false).await
    }

    async fn connect(path: &Path, create: bool) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // A process that is killed loses nothing thereby; only a power cut would.
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(Duration::from_secs(10));
        SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map(Self)
    }

    /// The item as it is.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn item(&self, key: u64) -> Result<Item, sqlx::Error> {
        let (version, writer) = sqlx::query_as("SELECT version, writer FROM items WHERE key = ?")
            .bind(signed(key))
            .fetch_one(&self.0)
            .await?;
        Ok(item((signed(key), version, writer)))
    }

    /// The item as a replica shows it that is [`LAG`] behind: at the latest so long after a commit its version is there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn lagging_item(&self, key: u64) -> Result<Item, sqlx::Error> {
        let before: Time = now().saturating_sub(u64::try_from(LAG.as_nanos()).unwrap_or(0));
        let found = sqlx::query_as(
            "SELECT version, writer FROM versions WHERE key = ? AND at <= ? ORDER BY version DESC LIMIT 1",
        )
        .bind(signed(key))
        .bind(signed(before))
        .fetch_optional(&self.0)
        .await?;
        let (version, writer) = found.unwrap_or((0, 0));
        Ok(item((signed(key), version, writer)))
    }

    /// All items, as they are at one moment.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn items(&self) -> Result<Vec<Item>, sqlx::Error> {
        let rows = sqlx::query_as("SELECT key, version, writer FROM items ORDER BY key");
        Ok(rows.fetch_all(&self.0).await?.into_iter().map(item).collect())
    }

    /// Every version that was committed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn versions(&self) -> Result<Vec<Item>, sqlx::Error> {
        let rows = sqlx::query_as("SELECT key, version, writer FROM versions ORDER BY key, version");
        Ok(rows.fetch_all(&self.0).await?.into_iter().map(item).collect())
    }

    /// One more version of an item, in a transaction.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn write(&self, key: u64, writer: WriteId) -> Result<Item, sqlx::Error> {
        // At once a writer, so that it waits for its turn here and never fails later.
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let (version,) = sqlx::query_as(
            "UPDATE items SET version = version + 1, writer = ? WHERE key = ? RETURNING version",
        )
        .bind(signed(writer))
        .bind(signed(key))
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO versions VALUES (?, ?, ?, ?)")
            .bind(signed(key))
            .bind(version)
            .bind(signed(writer))
            // Before the commit, and by the clock of all processes.
            .bind(signed(now()))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(item((signed(key), version, signed(writer))))
    }

    /// Closes the file.
    pub async fn close(self) {
        self.0.close().await;
    }
}

fn item((key, version, writer): (i64, i64, i64)) -> Item {
    Item { key: key.unsigned_abs(), version: version.unsigned_abs(), writer: writer.unsigned_abs() }
}

/// SQLite has no unsigned numbers; ours are small.
fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("a small number")
}
