//! What `POST /v1/explain` is asked and says: which route a request would take, and why.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request that nobody sends: what would become of it?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its method.
    pub method: String,
    /// Its URL, absolute; the host is the one that the client would name.
    pub url: String,
    /// Its other headers, each a name and a value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The client's address; by default 127.0.0.1.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

/// What would become of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// What it was worked out from.
    pub basis: Basis,
    /// The request as the routes see it.
    pub request: Asked,
    /// Each route, in the order of the file.
    pub routes: Vec<Candidate>,
    /// What is changed on the way.
    pub policies: Vec<String>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What an explanation was worked out from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What is served now.
    Running,
    /// The file, which need not be what is served.
    File,
}

/// A request as the routes see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its host, in lower case, without the port.
    pub host: String,
    /// Its path, in its normal form.
    pub path: String,
    /// The client's address.
    pub from: IpAddr,
}

/// A route that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its place among the file's `[[routes]]`; the first is 1.
    pub number: u32,
    /// The route as people know it: methods, hosts, path.
    pub route: String,
    /// Why it lost; absent for the one that won.
    pub lost: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// It goes to a service.
    Forward {
        /// The services that share the route's requests.
        shares: Vec<Share>,
        /// The instance that would get it now; absent where that cannot be said.
        instance: Option<Choice>,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// Where to.
        to: String,
        /// The answer's status.
        status: u16,
    },
    /// It is answered here.
    Respond {
        /// The answer's status.
        status: u16,
    },
    /// It is refused.
    Refused {
        /// The answer's status.
        status: u16,
        /// Why.
        why: String,
    },
}

/// A service's share of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The service.
    pub service: String,
    /// Relative to the other shares of the route.
    pub weight: u32,
}

/// The instance that would get a request now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// Its service.
    pub service: String,
    /// Its name.
    pub instance: String,
    /// Where it is.
    pub address: String,
    /// Why this one.
    pub why: String,
}
