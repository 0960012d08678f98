//! What goes wrong, as `application/problem+json` (RFC 9457).

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Diagnostic;

/// The media type of a problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Its kind, which is stable.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its kind, in words.
    pub title: String,
    /// The response's status.
    pub status: u16,
    /// What is the matter this time.
    pub detail: String,
    /// Names that may have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
    /// The failed preflight checks of a deploy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What is wrong with the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// The same, drawn for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawing: Option<String>,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// The request could not be understood.
    #[serde(rename = "urn:plimsoll:bad-request")]
    BadRequest,
    /// No token, or the wrong one.
    #[serde(rename = "urn:plimsoll:unauthorized")]
    Unauthorized,
    /// The token is one that only looks.
    #[serde(rename = "urn:plimsoll:only-looks")]
    OnlyLooks,
    /// What is asked for is told over the socket alone.
    #[serde(rename = "urn:plimsoll:socket-alone")]
    SocketAlone,
    /// Too many wrong tokens from this address.
    #[serde(rename = "urn:plimsoll:too-many-tries")]
    TooManyTries,
    /// A web page of another origin asks.
    #[serde(rename = "urn:plimsoll:foreign-origin")]
    ForeignOrigin,
    /// There is no such thing in the API.
    #[serde(rename = "urn:plimsoll:no-such-resource")]
    NoSuchResource,
    /// There is no such service.
    #[serde(rename = "urn:plimsoll:unknown-service")]
    UnknownService,
    /// The service has no such instance.
    #[serde(rename = "urn:plimsoll:unknown-instance")]
    UnknownInstance,
    /// The thing exists, but not with this method.
    #[serde(rename = "urn:plimsoll:method-not-allowed")]
    MethodNotAllowed,
    /// The configuration is right in itself, but could not be put into effect.
    #[serde(rename = "urn:plimsoll:not-published")]
    NotPublished,
    /// The body is too large.
    #[serde(rename = "urn:plimsoll:body-too-large")]
    BodyTooLarge,
    /// The body came too slowly.
    #[serde(rename = "urn:plimsoll:body-too-slow")]
    BodyTooSlow,
    /// The configuration is wrong, or cannot be read.
    #[serde(rename = "urn:plimsoll:invalid-configuration")]
    InvalidConfiguration,
    /// A deploy of the service is running.
    #[serde(rename = "urn:plimsoll:locked")]
    Locked,
    /// A preflight check of a deploy failed.
    #[serde(rename = "urn:plimsoll:preflight")]
    Preflight,
    /// There is no such deploy, or none to go back to.
    #[serde(rename = "urn:plimsoll:no-such-deploy")]
    NoSuchDeploy,
    /// There is no such job.
    #[serde(rename = "urn:plimsoll:unknown-job")]
    UnknownJob,
    /// The job runs already, here or on another edge.
    #[serde(rename = "urn:plimsoll:job-busy")]
    JobBusy,
    /// There is no such ban.
    #[serde(rename = "urn:plimsoll:no-such-ban")]
    NoSuchBan,
    /// The ban was not taken up.
    #[serde(rename = "urn:plimsoll:not-banned")]
    NotBanned,
    /// Too many follow events already.
    #[serde(rename = "urn:plimsoll:too-many-followers")]
    TooManyFollowers,
    /// It could not be done.
    #[serde(rename = "urn:plimsoll:failed")]
    Failed,
    /// Plimsoll is ending.
    #[serde(rename = "urn:plimsoll:ending")]
    Ending,
}

impl Kind {
    /// The response's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::OnlyLooks | Self::SocketAlone | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::TooManyTries => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSuchResource | Self::UnknownService | Self::UnknownInstance => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotPublished => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidConfiguration => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Locked => StatusCode::CONFLICT,
            Self::Preflight => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoSuchDeploy | Self::NoSuchBan => StatusCode::NOT_FOUND,
            Self::UnknownJob => StatusCode::NOT_FOUND,
            Self::NotBanned | Self::JobBusy => StatusCode::CONFLICT,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyFollowers | Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The kind in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request could not be understood",
            Self::Unauthorized => "A valid token is needed",
            Self::OnlyLooks => "The token may only read",
            Self::SocketAlone => "This is told over the admin socket alone",
            Self::TooManyTries => "Too many wrong tokens came from this address",
            Self::ForeignOrigin => "Web pages of other origins are not admitted",
            Self::NoSuchResource => "There is no such resource",
            Self::UnknownService => "There is no such service",
            Self::UnknownInstance => "The service has no such instance",
            Self::MethodNotAllowed => "This resource has no such method",
            Self::NotPublished => "The configuration could not be applied",
            Self::BodyTooLarge => "The body is too large",
            Self::BodyTooSlow => "The body came too slowly",
            Self::InvalidConfiguration => "The configuration is not valid",
            Self::Locked => "A deploy of the service is running",
            Self::Preflight => "The deploy cannot begin",
            Self::NoSuchDeploy => "There is no such deploy",
            Self::UnknownJob => "There is no such job",
            Self::JobBusy => "The job runs already",
            Self::NoSuchBan => "There is no such ban",
            Self::NotBanned => "The ban could not be taken up",
            Self::TooManyFollowers => "Too many clients follow events",
            Self::Failed => "It could not be done",
            Self::Ending => "Plimsoll is shutting down",
        }
    }
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            near: Vec::new(),
            faults: Vec::new(),
            diagnostics: Vec::new(),
            drawing: None,
        }
    }

    /// Everything that is wrong with a configuration.
    pub fn invalid(diagnostics: &config::Diagnostics) -> Self {
        let detail = format!("{}: {}", diagnostics.origin(), diagnostics.summary());
        Self {
            diagnostics: crate::diagnostics(diagnostics),
            drawing: Some(diagnostics.render(config::Paint::Plain)),
            ..Self::new(Kind::InvalidConfiguration, detail)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let (name, value) = match self.kind {
            Kind::Unauthorized => (header::WWW_AUTHENTICATE, "Bearer"),
            Kind::TooManyTries => (header::RETRY_AFTER, "60"),
            // What is left of it would be taken for the next request.
            Kind::BodyTooSlow => (header::CONNECTION, "close"),
            _ => return response,
        };
        headers.insert(name, HeaderValue::from_static(value));
        response
    }
}
