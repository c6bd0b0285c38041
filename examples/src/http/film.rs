//! `/api/films`

use axum::{
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::Deserialize;
use sqlx::SqlitePool;

use super::{
    error::ApiError,
    extract::{Id, Json, Query},
};
use crate::service::{
    Error,
    film::{self, Film, FilmPage, TopFilm},
    rating::{self, Stars},
};

/// Which films to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    genre: Option<String>,
    page: Option<String>,
}

/// What a client says about a film.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RatingBody {
    user_id: i64,
    stars: i64,
}

pub(super) async fn list(
    State(pool): State<SqlitePool>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<FilmPage>, ApiError> {
    // A form sends `?genre=&page=` where nothing was chosen.
    let genre = query.genre.as_deref().filter(|genre| !genre.is_empty());
    let page = match query.page.as_deref().filter(|page| !page.is_empty()) {
        None => 1,
        Some(text) => text.parse().map_err(|_| {
            ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "`page` must be a whole number from 1")
        })?,
    };
    Ok(axum::Json(film::list_films(&pool, genre, page).await?))
}

pub(super) async fn show(State(pool): State<SqlitePool>, Id(id): Id) -> Result<axum::Json<Film>, ApiError> {
    let film = film::get_film(&pool, id).await?.ok_or(Error::UnknownFilm(id))?;
    Ok(axum::Json(film))
}

pub(super) async fn top(State(pool): State<SqlitePool>) -> Result<axum::Json<Vec<TopFilm>>, ApiError> {
    Ok(axum::Json(film::top_films(&pool).await?))
}

pub(super) async fn rate(
    State(pool): State<SqlitePool>,
    Id(film_id): Id,
    Json(body): Json<RatingBody>,
) -> Result<impl IntoResponse, ApiError> {
    let rating = rating::rate_film(&pool, film_id, body.user_id, Stars::parse(body.stars)?).await?;
    let status = if rating.first { StatusCode::CREATED } else { StatusCode::OK };
    // A rating has no address of its own; it shows in the film.
    let location = format!("/api/films/{film_id}");
    Ok((status, [(LOCATION, location)], axum::Json(rating)))
}
