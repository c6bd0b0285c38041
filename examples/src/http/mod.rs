//! The routes. A handler reads the request, calls one function of [`service`](crate::service) and answers; it does
//! not know that there is a cache.

mod error;
mod extract;
mod film;
mod operation;
mod user;

use axum::{
    Router,
    extract::FromRef,
    http::{Method, Uri},
    routing::{get, post},
};
use cache_runtime::Cache;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::SqlitePool;

use self::error::ApiError;

/// What handlers can ask for.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct App {
    pub(crate) pool: SqlitePool,
    pub(crate) cache: Cache,
    pub(crate) metrics: PrometheusHandle,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/api/users", post(user::create))
        .route("/api/users/top", get(user::top))
        .route("/api/users/{id}", get(user::show).put(user::rename).delete(user::delete))
        .route("/api/films", get(film::list))
        .route("/api/films/top", get(film::top))
        .route("/api/films/{id}", get(film::show))
        .route("/api/films/{id}/ratings", post(film::rate))
        .route("/health", get(operation::health))
        .route("/metrics", get(operation::metrics))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .with_state(app)
}

async fn unknown_route(uri: Uri) -> ApiError {
    ApiError::unknown_route(uri.path())
}

async fn unknown_method(method: Method, uri: Uri) -> ApiError {
    ApiError::unknown_method(&method, uri.path())
}
