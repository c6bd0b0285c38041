//! `/api/users`

use axum::{
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::Deserialize;
use sqlx::SqlitePool;

use super::{
    error::ApiError,
    extract::{Id, Json},
};
use crate::service::{
    Error,
    user::{self, User, UserName},
};

/// What a client says about a user.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserBody {
    name: String,
}

pub(super) async fn create(
    State(pool): State<SqlitePool>,
    Json(body): Json<UserBody>,
) -> Result<impl IntoResponse, ApiError> {
    let user = user::create_user(&pool, UserName::parse(&body.name)?).await?;
    let location = format!("/api/users/{}", user.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], axum::Json(user)))
}

pub(super) async fn show(State(pool): State<SqlitePool>, Id(id): Id) -> Result<axum::Json<User>, ApiError> {
    let user = user::get_user(&pool, id).await?.ok_or(Error::UnknownUser(id))?;
    Ok(axum::Json(user))
}

pub(super) async fn top(State(pool): State<SqlitePool>) -> Result<axum::Json<Vec<User>>, ApiError> {
    Ok(axum::Json(user::top_users(&pool).await?))
}

pub(super) async fn rename(
    State(pool): State<SqlitePool>,
    Id(id): Id,
    Json(body): Json<UserBody>,
) -> Result<axum::Json<User>, ApiError> {
    let user = user::rename_user(&pool, id, UserName::parse(&body.name)?).await?;
    Ok(axum::Json(user))
}

pub(super) async fn delete(State(pool): State<SqlitePool>, Id(id): Id) -> Result<StatusCode, ApiError> {
    user::delete_user(&pool, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
