//! The body of a request, read as a document. What is wrong with it is a problem, never axum's
//! own plain text.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::{Kind, Problem};

/// The longest body that is read, in bytes.
pub(crate) const BYTES_MAX: usize = 256 << 10;

/// A request's body, as `T`.
pub(crate) struct Document<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(document)) => Ok(Self(document)),
            Err(rejection) => Err(problem(&rejection)),
        }
    }
}

fn problem(rejection: &JsonRejection) -> Problem {
    let kind = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::BodyTooLarge,
        _ => Kind::BadRequest,
    };
    Problem::new(kind, rejection.body_text())
}
