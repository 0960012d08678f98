//! The body of a request, read as a document. What is wrong with it is a problem, never axum's
//! own plain text.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::{Kind, Problem};

/// The longest body that is read, in bytes.
pub(crate) const BYTES_MAX: usize = 256 << 10;

/// How long a client may take for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// A request's body, as `T`.
pub(crate) struct Document<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = tokio::time::timeout(TIMEOUT, Json::from_request(request, state)).await;
        match read {
            Ok(Ok(Json(document))) => Ok(Self(document)),
            Ok(Err(rejection)) => Err(problem(&rejection)),
            Err(_) => Err(Problem::new(
                Kind::BodyTooSlow,
                format!("the body was not there within {} s", TIMEOUT.as_secs()),
            )),
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
