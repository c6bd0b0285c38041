//! The first start: the film records of `data/movies.json` go into the database.
//!
//! [`clean`] knows what is wrong with the records; this file moves them.

mod clean;

use std::{
    io::{self, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::{database::BEGIN_WRITE, startup::StartError};

pub(crate) use clean::Record;

/// In the binary, so that it runs from any directory.
const RECORDS: &str = include_str!("../../data/movies.json");

/// What is in the database after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Films {
    pub(crate) count: i64,
    /// Whether this start imported them.
    pub(crate) new: bool,
}

/// Imports the films if there are none.
///
/// All of them in one transaction: an import that is interrupted leaves nothing, and the next start begins again.
/// The check is in it as well, so of two processes that start together one imports and the other waits and sees it.
///
/// # Errors
/// If the database fails.
pub(crate) async fn import_once(pool: &SqlitePool) -> Result<Films, StartError> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await.map_err(StartError::Import)?;
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM films")
        .fetch_one(&mut *transaction)
        .await
        .map_err(StartError::Import)?;
    if stored > 0 {
        return Ok(Films { count: stored, new: false });
    }

    let records = clean::read(RECORDS).map_err(StartError::Records)?;
    let bar = progress_bar(records.len() as u64);
    let mut count = 0;
    for record in bar.wrap_iter(records.iter()) {
        insert(&mut transaction, record).await.map_err(StartError::Import)?;
        count += 1;
    }
    transaction.commit().await.map_err(StartError::Import)?;

    let elapsed = bar.elapsed();
    bar.finish_and_clear();
    report(count, elapsed);
    Ok(Films { count, new: true })
}

async fn insert(transaction: &mut Transaction<'_, Sqlite>, record: &Record) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO films (id, title, released, genre, director, distributor, mpaa_rating, running_minutes,
             production_budget, us_gross, worldwide_gross, rotten_tomatoes, imdb_rating, imdb_votes, prior)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.id)
    .bind(&record.title)
    .bind(&record.released)
    .bind(&record.genre)
    .bind(&record.director)
    .bind(&record.distributor)
    .bind(&record.mpaa_rating)
    .bind(record.running_minutes)
    .bind(record.production_budget)
    .bind(record.us_gross)
    .bind(record.worldwide_gross)
    .bind(record.rotten_tomatoes)
    .bind(record.imdb_rating)
    .bind(record.imdb_votes)
    .bind(record.prior)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A bar on the terminal; where standard error is none, indicatif draws nothing.
fn progress_bar(length: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("importing films {wide_bar} {human_pos}/{human_len}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// For logs, which see no bar.
fn report(count: i64, elapsed: Duration) {
    let _ = writeln!(io::stderr(), "imported {count} films in {elapsed:.1?}");
}
