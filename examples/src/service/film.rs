//! Films: one, the best, and the catalogue in pages.

use cache_runtime::cached;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqlitePool};

use super::Error;

/// A film with all that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct Film {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) released: Option<String>,
    pub(crate) genre: Option<String>,
    pub(crate) director: Option<String>,
    pub(crate) distributor: Option<String>,
    pub(crate) mpaa_rating: Option<String>,
    pub(crate) running_minutes: Option<i64>,
    pub(crate) production_budget: Option<i64>,
    pub(crate) us_gross: Option<i64>,
    pub(crate) worldwide_gross: Option<i64>,
    pub(crate) rotten_tomatoes: Option<i64>,
    pub(crate) imdb_rating: Option<f64>,
    pub(crate) imdb_votes: Option<i64>,
    #[sqlx(flatten)]
    pub(crate) stars: StarSummary,
}

/// What the users of this service gave a film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct StarSummary {
    /// The mean, or `null` if nobody has rated the film.
    pub(crate) average: Option<f64>,
    pub(crate) ratings: i64,
}

/// A film in the list of the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct TopFilm {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) released: Option<String>,
    pub(crate) genre: Option<String>,
    /// What the list is ordered by; see [`top_films`].
    pub(crate) score: f64,
    #[sqlx(flatten)]
    pub(crate) stars: StarSummary,
}

/// A film in a list. Only what no write changes; [`film_page`] says why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct FilmSummary {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) released: Option<String>,
    pub(crate) genre: Option<String>,
    pub(crate) imdb_rating: Option<f64>,
}

/// One page of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FilmPage {
    pub(crate) films: Vec<FilmSummary>,
    pub(crate) page: u32,
    pub(crate) pages: u32,
    pub(crate) total: u32,
}

/// How many films [`top_films`] lists.
const TOP: u32 = 10;

/// How many films a page has.
const PAGE_SIZE: u32 = 20;

/// A film, or `None` if there is none with this id.
///
/// # Consistency
/// Current. That there is none is remembered for five minutes: films come with the import and never later.
#[cached(ttl = "STANDARD", key = "film:<id>", skip = [pool], negative_ttl = "FREQUENT")]
pub(crate) async fn get_film(pool: &SqlitePool, id: i64) -> Result<Option<Film>, Error> {
    let film = sqlx::query_as(
        "SELECT films.*, avg(stars) AS average, count(stars) AS ratings
         FROM films LEFT JOIN ratings ON film_id = films.id
         WHERE films.id = ? GROUP BY films.id",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    Ok(film)
}

/// The best films, the best first.
///
/// The score is a mean in which each rating of a user counts once, and what the film was worth before any of them
/// (its rating at IMDb, weighed by its votes there) counts ten times: a few fans make no film the best of all.
/// It looks at every film, which is what a cache is for.
///
/// # Consistency
/// Current: each rating invalidates it.
#[cached(ttl = "FREQUENT", key = "films:top", skip = [pool])]
pub(crate) async fn top_films(pool: &SqlitePool) -> Result<Vec<TopFilm>, Error> {
    let films = sqlx::query_as(
        "SELECT films.id, title, released, genre, avg(stars) AS average, count(stars) AS ratings,
                (10 * prior + total(stars)) / (10 + count(stars)) AS score
         FROM films LEFT JOIN ratings ON film_id = films.id
         GROUP BY films.id ORDER BY score DESC, films.id LIMIT ?",
    )
    .bind(TOP)
    .fetch_all(pool)
    .await?;
    Ok(films)
}

/// The genres, by name.
///
/// # Consistency
/// Films are only ever imported into an empty database, so what is cached for a week cannot become old.
#[cached(ttl = "STATIC", key = "films:genres", skip = [pool])]
pub(crate) async fn genres(pool: &SqlitePool) -> Result<Vec<String>, Error> {
    let genres =
        sqlx::query_scalar("SELECT DISTINCT genre FROM films WHERE genre IS NOT NULL ORDER BY genre")
            .fetch_all(pool)
            .await?;
    Ok(genres)
}

/// A page of the films of one genre, or of all, by title.
///
/// Finds the genre first, in whatever case it is written: so an invented one never reaches [`film_page`], where it
/// would make an entry, and `drama` and `Drama` share one.
///
/// # Errors
/// [`Error::UnknownGenre`] and [`Error::UnknownPage`], which say what there is.
pub(crate) async fn list_films(pool: &SqlitePool, genre: Option<&str>, page: u32) -> Result<FilmPage, Error> {
    let Some(genre) = genre else {
        return film_page(pool, None, page).await;
    };
    let known = genres(pool).await?;
    match known.iter().find(|known| known.eq_ignore_ascii_case(genre)) {
        Some(genre) => film_page(pool, Some(genre), page).await,
        None => Err(Error::UnknownGenre { genre: genre.to_owned(), known }),
    }
}

/// A page of the films of exactly this genre.
///
/// # Consistency
/// As [`genres`]: the page holds no ratings of users, so no write changes it. With them, each rating would have to
/// invalidate all pages that show the film, whose numbers it does not know.
///
/// # Errors
/// [`Error::UnknownPage`]; an error is never cached, so asking for page 1,000,000 leaves nothing behind.
#[cached(ttl = "STATIC", key = "films:genre:<genre>:page:<page>", skip = [pool])]
async fn film_page(pool: &SqlitePool, genre: Option<&str>, page: u32) -> Result<FilmPage, Error> {
    let total: u32 = sqlx::query_scalar("SELECT count(*) FROM films WHERE ?1 IS NULL OR genre = ?1")
        .bind(genre)
        .fetch_one(pool)
        .await?;
    let pages = total.div_ceil(PAGE_SIZE);
    if !(1..=pages).contains(&page) {
        return Err(Error::UnknownPage { page, last: pages });
    }
    let films = sqlx::query_as(
        "SELECT id, title, released, genre, imdb_rating FROM films
         WHERE ?1 IS NULL OR genre = ?1 ORDER BY title, id LIMIT ?2 OFFSET ?3",
    )
    .bind(genre)
    .bind(PAGE_SIZE)
    .bind((page - 1) * PAGE_SIZE)
    .fetch_all(pool)
    .await?;
    Ok(FilmPage { films, page, pages, total })
}
