//! What has to hold outside of Plimsoll for a deploy to go on: a query to Prometheus, or the word of a webhook.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::auth::Document;
use crate::url::Url;

/// One condition of a deploy.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What people call it; no other of the same deploy is called so.
    pub name: String,
    /// Who is asked what.
    pub asks: Asks,
    /// The authorities that the server's certificate is checked with, in PEM; the system's where there are none.
    pub ca: Option<Document>,
    /// From one time to the next, at least a second.
    pub every: Duration,
    /// How long the response may take.
    pub timeout: Duration,
    /// So many breaches in a row roll the new release back.
    pub failures: NonZeroU32,
    /// The variable that holds the bearer token, where one is sent.
    pub token_env: Option<String>,
    /// What follows when it is not known any longer whether it holds.
    pub unknown: Unknown,
}

/// Who is asked what.
#[derive(Clone, Debug, PartialEq)]
pub enum Asks {
    /// The HTTP API of Prometheus, or of what speaks like it.
    Prometheus {
        /// Where the API is, without `/api/v1`.
        url: Url,
        /// In PromQL, with variables as in [`VARIABLES`].
        query: String,
        /// What its only value has to be.
        bounds: Bounds,
    },
    /// A POST that is responded to with 2xx where the deploy is to go on.
    Webhook {
        /// Where it is.
        url: Url,
    },
}

/// From where to where a value may be. One of the two is set at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Not below this.
    pub min: Option<f64>,
    /// Not above this.
    pub max: Option<f64>,
}

/// What follows when it is not known, time after time, whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// The rollout is paused until it is known, or a person says what to do.
    #[default]
    Hold,
    /// The new release is rolled back.
    Rollback,
}

/// What stands in a query for what is deployed, each between braces.
pub const VARIABLES: [&str; 4] = ["service", "version", "previous", "deploy"];
