//! The SQLite file: how it is opened and what is in it.

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::time;

use crate::startup::StartError;

/// Starts a transaction that is going to write.
///
/// A plain `BEGIN` becomes a writer at its first write, and where somebody else wrote since its first read SQLite
/// fails that at once (`SQLITE_BUSY`), without the wait of `busy_timeout`. This one waits for its turn at the start.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS films (
    id                INTEGER PRIMARY KEY,
    title             TEXT NOT NULL,
    released          TEXT,
    genre             TEXT,
    director          TEXT,
    distributor       TEXT,
    mpaa_rating       TEXT,
    running_minutes   INTEGER,
    production_budget INTEGER,
    us_gross          INTEGER,
    worldwide_gross   INTEGER,
    rotten_tomatoes   INTEGER,
    imdb_rating       REAL,
    imdb_votes        INTEGER,
    -- What the film is worth before anybody here has rated it; see `import::clean`.
    prior             REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS films_by_genre ON films (genre, title, id);
CREATE INDEX IF NOT EXISTS films_by_title ON films (title, id);

-- AUTOINCREMENT: the id of a deleted user is never given to another one, so no link, log line or
-- cache entry can begin to mean somebody else.
CREATE TABLE IF NOT EXISTS users (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE
) STRICT;

-- Ratings of a deleted user stay, as nobody's: NULLs are all different to UNIQUE.
CREATE TABLE IF NOT EXISTS ratings (
    id      INTEGER PRIMARY KEY,
    film_id INTEGER NOT NULL REFERENCES films (id),
    user_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
    stars   INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 10),
    UNIQUE (film_id, user_id)
) STRICT;
CREATE INDEX IF NOT EXISTS ratings_by_user ON ratings (user_id);

-- Tells this file from every other one; see `identity`.
CREATE TABLE IF NOT EXISTS identity (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL
) STRICT;
INSERT OR IGNORE INTO identity VALUES (1, lower(hex(randomblob(8))));
";

/// Opens the file, and makes it and its tables where they are missing.
///
/// # Errors
/// If the file cannot be opened or written, or is no database.
pub(crate) async fn open(path: &Path) -> Result<SqlitePool, StartError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        // Readers go on while somebody writes.
        .journal_mode(SqliteJournalMode::Wal)
        // With WAL and anything less a power cut may undo commits, and a Redis that is still up would go on
        // serving what this file has forgotten.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    connect(options).await.map_err(|source| StartError::Database { path: path.to_owned(), source })
}

/// Connects, again and again for a few seconds while the file is locked.
///
/// `busy_timeout` would do that, but SQLite does not apply it to the switch of a new file to WAL: of two processes that
/// start together one fails at once.
async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    const ATTEMPTS: usize = 50;
    let mut tick = time::interval(Duration::from_millis(100));
    for _ in 1..ATTEMPTS {
        tick.tick().await;
        match connect_once(options.clone()).await {
            Err(error) if is_locked(&error) => {}
            result => return result,
        }
    }
    connect_once(options).await
}

fn is_locked(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok())
        // The upper bits are the reason why it is busy.
        .is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

async fn connect_once(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    Ok(pool)
}

/// A name that was drawn when the file was made.
///
/// It is the namespace of the cache. A Redis outlives this file: to whoever deletes the file and starts again, or starts
/// with another one, it would serve users whom this database never had.
///
/// # Errors
/// If the database fails.
pub(crate) async fn identity(pool: &SqlitePool) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM identity").fetch_one(pool).await
}
