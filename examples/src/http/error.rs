//! Every error is `{"error": {"code": .., "message": ..}}`: the code for programs, the message for people.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::service::Error;

/// An error as the client sees it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Body {
    error: Detail,
}

#[derive(Serialize)]
struct Detail {
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        // Some messages repeat what the client sent, which may be long.
        let message = brief(&message.into(), 500);
        Self { status, code, message }
    }

    pub(super) fn unknown_route(path: &str) -> Self {
        let message = format!(
            "there is nothing at {}: try /api/films, /api/films/top or /api/users/top",
            brief(path, 60)
        );
        Self::new(StatusCode::NOT_FOUND, "unknown_route", message)
    }

    /// The router adds the header `Allow`.
    pub(super) fn unknown_method(method: &Method, path: &str) -> Self {
        let message = format!("{} does not take {}", brief(path, 60), brief(method.as_str(), 60));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    pub(super) fn bad_id(text: &str) -> Self {
        let message = format!("`{}` is no id: ids are whole numbers", brief(text, 60));
        Self::new(StatusCode::BAD_REQUEST, "bad_id", message)
    }
}

/// At most that many characters of it.
fn brief(text: &str, max_chars: usize) -> String {
    let mut brief: String = text.chars().take(max_chars).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, message } = self;
        (status, Json(Body { error: Detail { code, message } })).into_response()
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        use StatusCode as S;
        let (status, code) = match &error {
            Error::UnknownUser(_) => (S::NOT_FOUND, "unknown_user"),
            Error::UnknownRater(_) => (S::UNPROCESSABLE_ENTITY, "unknown_user"),
            Error::UnknownFilm(_) => (S::NOT_FOUND, "unknown_film"),
            Error::UnknownGenre { .. } => (S::BAD_REQUEST, "unknown_genre"),
            Error::UnknownPage { .. } => (S::NOT_FOUND, "unknown_page"),
            Error::NameTaken(_) => (S::CONFLICT, "name_taken"),
            Error::BadName(_) => (S::UNPROCESSABLE_ENTITY, "bad_name"),
            Error::BadStars(_) => (S::UNPROCESSABLE_ENTITY, "bad_stars"),
            Error::Database(source) => {
                // The reason is for our log: it names tables and files.
                tracing::error!(%source, "the database failed");
                return Self::new(
                    S::INTERNAL_SERVER_ERROR,
                    "internal",
                    "the service failed; try again later",
                );
            }
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let code = match &rejection {
            JsonRejection::JsonDataError(_) => "bad_body",
            JsonRejection::JsonSyntaxError(_) => "malformed_json",
            JsonRejection::MissingJsonContentType(_) => "not_json",
            _ => "unreadable_body",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad_path", rejection.body_text())
    }
}
