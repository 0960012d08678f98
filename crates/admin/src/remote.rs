//! A Plimsoll on another machine: where its API is, by whose word its certificate is believed, and what lets us in.
//!
//! The token goes to that server alone, and in the clear to this machine alone.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use model::{Host, Scheme, Url};
use outbound::{BadAuthorities, BadUrl, Fault, Names, Stream, Trust};

use crate::Token;

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A Plimsoll on another machine.
#[derive(Clone)]
pub struct Remote {
    url: Url,
    trust: Trust,
    token: Option<Token>,
    client: outbound::Client,
}

/// Why no Plimsoll can be meant by what was given.
#[derive(Debug, thiserror::Error)]
pub enum NoRemote {
    /// The URL is none.
    #[error("{0}")]
    Url(#[from] BadUrl),
    /// The token could be read on its way.
    #[error("it would send its token, and all that it is told, in the clear")]
    InTheClear,
    /// The file of authorities has none.
    #[error("{0}")]
    Authorities(#[from] BadAuthorities),
}

impl Remote {
    /// The one whose API is at `url`; its certificate is believed by the authorities in `authorities`, in PEM, or by the system's where there is none.
    ///
    /// # Errors
    /// When `url` is none of HTTP, or in the clear to another machine, or there is no authority.
    pub fn new(
        url: &str,
        authorities: Option<&str>,
        token: Option<Token>,
    ) -> Result<Self, NoRemote> {
        let mut url = outbound::parse(url)?;
        if url.scheme == Scheme::Http && !is_here(&url.host) {
            return Err(NoRemote::InTheClear);
        }
        let path = url.target.split('?').next().unwrap_or_default();
        url.target = path.trim_end_matches('/').to_owned();
        let trust = authorities.map(Trust::of_pem).transpose()?.unwrap_or_default();
        let client = outbound::Client::new(Arc::new(SystemNames));
        Ok(Self { url, trust, token, client })
    }

    /// What is sent as `Host`.
    pub(crate) fn authority(&self) -> String {
        self.url.authority()
    }

    /// What stands before the paths of the API.
    pub(crate) fn base(&self) -> &str {
        &self.url.target
    }

    /// What lets us in, as it is sent.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        self.token.as_ref().map(Token::bearer)
    }

    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>, Fault> {
        self.client.open(&self.url, &self.trust, CONNECT_TIMEOUT).await
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Remote {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({self})")
    }
}

/// Whether nothing that is sent to `host` leaves this machine.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Address(address) => address.to_canonical().is_loopback(),
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
    }
}

/// The names that the system knows, as other commands on this machine ask for them.
struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>> {
        async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_in_the_clear_to_this_machine_alone() {
        for (url, is_sent) in [
            ("https://edge.example.com:7070", true),
            ("http://127.0.0.1:7070", true),
            ("http://localhost:7070/", true),
            ("http://[::1]:7070", true),
            ("http://[::ffff:127.0.0.1]:7070", true),
            ("http://edge.example.com:7070", false),
            ("http://10.0.0.5:7070", false),
            ("http://localhost.example.com:7070", false),
        ] {
            let remote = Remote::new(url, None, None);
            assert_eq!(remote.is_ok(), is_sent, "{url}: {remote:?}");
            if let Err(why) = remote {
                assert!(matches!(why, NoRemote::InTheClear), "{url}: {why}");
            }
        }
        assert!(matches!(Remote::new("ftp://a/", None, None), Err(NoRemote::Url(_))));
        let empty = Remote::new("https://a/", Some(""), None);
        assert!(matches!(empty, Err(NoRemote::Authorities(_))));
    }

    #[test]
    fn an_api_may_be_below_a_path_and_its_token_is_never_shown() {
        let token = Token::new("s3cret-of-sixteen").unwrap();
        let remote = Remote::new("https://a.example/edge/?x#y", None, Some(token)).unwrap();
        assert_eq!((remote.base(), &*remote.authority()), ("/edge", "a.example"));
        assert_eq!(remote.authorization().unwrap(), "Bearer s3cret-of-sixteen");
        assert!(remote.authorization().unwrap().is_sensitive());
        let shown = format!("{remote} {remote:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
