//! What would become of a request: a question in a person's words, put to the edge.

use std::net::{IpAddr, Ipv4Addr};

use edge::Edge;
use edge::explain::{Question as Asked, Transport};
use http::Uri;

use crate::ended::Ended;

/// A request that nobody sends.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its method.
    pub method: String,
    /// Its URL: absolute, or a path for a request that names no host.
    pub url: String,
    /// Its other headers.
    pub headers: Vec<(String, String)>,
    /// The client's address; by default 127.0.0.1.
    pub from: Option<IpAddr>,
}

/// What would become of a request.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its method.
    pub method: String,
    /// The other end of its connection: the client, or a proxy before it.
    pub from: IpAddr,
    /// What the edge makes of it.
    pub found: edge::explain::Explanation,
}

/// Why a question makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The URL cannot be read.
    #[error("`{url}` is not a URL")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        source: http::uri::InvalidUri,
    },
    /// The method cannot be one.
    #[error("`{0}` is not a method")]
    Method(String),
    /// The rest makes no sense.
    #[error(transparent)]
    Edge(#[from] edge::explain::ExplainError),
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// What would become of the request now.
///
/// # Errors
/// When the question makes no sense.
pub(crate) fn explain(edge: &Edge, question: &Question) -> Result<Explanation, ExplainError> {
    ask(question, |asked| edge.explain(asked)?.ok_or(ExplainError::Ended(Ended)))
}

impl Question {
    /// What would become of the request if `intent` were served. Says nothing of instances.
    ///
    /// # Errors
    /// When the question makes no sense.
    pub fn explain(&self, intent: &model::Intent) -> Result<Explanation, ExplainError> {
        ask(self, |asked| Ok(edge::explain::explain(intent, asked)?))
    }
}

fn ask(
    question: &Question,
    whom: impl FnOnce(Asked<'_>) -> Result<edge::explain::Explanation, ExplainError>,
) -> Result<Explanation, ExplainError> {
    let Question { method, url, headers, from } = question;
    if http::Method::from_bytes(method.as_bytes()).is_err() {
        return Err(ExplainError::Method(method.clone()));
    }
    let uri: Uri = url.parse().map_err(|source| ExplainError::Url { url: url.clone(), source })?;
    let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let found = whom(Asked {
        method,
        entrance: entrance(&uri),
        authority: uri.authority().map_or("", |authority| authority.as_str()),
        target: uri.path_and_query().map_or("/", |target| target.as_str()),
        fields: headers,
        peer: from,
    })?;
    Ok(Explanation { method: method.clone(), from, found })
}

/// How a request for `uri` comes in.
fn entrance(uri: &Uri) -> Option<(Transport, u16)> {
    let (transport, port) = match uri.scheme_str()? {
        "http" => (Transport::Clear, 80),
        "https" => (Transport::Tls, 443),
        _ => return None,
    };
    Some((transport, uri.port_u16().unwrap_or(port)))
}
