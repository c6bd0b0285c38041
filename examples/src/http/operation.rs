//! What operators ask: `/health` and `/metrics`.

use axum::{Json, extract::State, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse};
use cache_runtime::Cache;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use sqlx::SqlitePool;

use super::error::ApiError;

/// Healthy as long as the database answers: without its cache the service is slower, but right.
pub(super) async fn health(
    State(pool): State<SqlitePool>,
    State(cache): State<Cache>,
) -> Result<Json<Value>, ApiError> {
    sqlx::query("SELECT 1").execute(&pool).await.map_err(|source| {
        tracing::error!(%source, "the database failed");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "database_down", "the database does not answer")
    })?;
    Ok(Json(json!({ "status": "ok", "cache": cache.health().to_string() })))
}

/// In the text format of Prometheus.
pub(super) async fn metrics(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}
