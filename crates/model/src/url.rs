//! Where a server outside of Plimsoll is asked: a URL of HTTP or HTTPS, in its parts.
//!
//! It has no user, no password and no fragment. Its query may hold a secret, and is never shown.

use std::fmt;

use crate::service::Host;

/// Whether a server is spoken to over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// What stands before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is meant where none is written.
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A URL of HTTP or HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// Whether it is asked over TLS.
    pub scheme: Scheme,
    /// The machine.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The path, with a query if there is one: it begins with a slash.
    pub target: String,
}

impl Url {
    /// What is sent as `Host`.
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        match self.port == self.scheme.usual_port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    /// All of it, with its query: to be asked, never to be shown.
    pub fn whole(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.authority(), self.target)
    }
}

/// Without its query, which may hold a secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.scheme.as_str(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_query_and_without_the_usual_port() {
        let url = |scheme, host: &str, port| Url {
            scheme,
            host: host.parse().map_or(Host::Name(host.to_owned()), Host::Address),
            port,
            target: "/ok?key=s3cret".to_owned(),
        };
        assert_eq!(url(Scheme::Http, "ci", 80).to_string(), "http://ci/ok");
        assert_eq!(url(Scheme::Http, "::1", 9090).to_string(), "http://[::1]:9090/ok");
        assert_eq!(url(Scheme::Https, "ci", 443).to_string(), "https://ci/ok");
        assert_eq!(url(Scheme::Https, "ci", 80).whole(), "https://ci:80/ok?key=s3cret");
    }
}
