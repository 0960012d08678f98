//! Which pages of other origins may use a route: `cors`, by the protocol of the Fetch standard.

use std::fmt;
use std::time::Duration;

/// Which pages of other origins may use a route, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Pages of these origins may; never empty. [`OriginMatch::Any`] stands alone and never with
    /// `credentials`.
    pub origins: Vec<OriginMatch>,
    /// By these methods; by each that the route takes when empty.
    pub methods: Vec<String>,
    /// With these headers, in lower case; with each that is asked for when empty.
    pub headers: Vec<String>,
    /// And may read these headers of responses, in lower case, beside those that every page may.
    pub expose: Vec<String>,
    /// With cookies and HTTP authentication.
    pub credentials: bool,
    /// How long a browser may go by the answer to a preflight.
    pub max_age: Option<Duration>,
}

/// Origins of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginMatch {
    /// Any, also that of a page which has none (`null`).
    Any,
    /// This one, as browsers write it: in lower case, without the port that its scheme means.
    Exact(String),
    /// Those whose host ends with a dot and this one.
    Below {
        /// `https`
        scheme: String,
        /// `example.com`, with its port if it has one.
        authority: String,
    },
}

impl fmt::Display for OriginMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(origin) => f.write_str(origin),
            Self::Below { scheme, authority } => write!(f, "{scheme}://*.{authority}"),
        }
    }
}
