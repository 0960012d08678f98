//! URLs as servers write them: in discovery documents and in redirects. They are read as browsers read them, so that
//! `http://2130706433/` is 127.0.0.1 here, too.

use std::net::IpAddr;

use model::{Host, Scheme, Url};
use url::ParseError;

/// Why a text is no URL that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It is malformed.
    #[error("it is no URL: {0}")]
    Malformed(#[from] ParseError),
    /// Another scheme.
    #[error("only http:// and https:// are asked")]
    Scheme,
    /// A user or a password.
    #[error("a URL with a user or a password in it is not asked")]
    Account,
    /// There is none.
    #[error("it names no host")]
    Host,
}

/// Reads `text`. A fragment is dropped, as it is never sent.
///
/// # Errors
/// When it is no URL of HTTP or HTTPS with a host, or has a user.
pub fn parse(text: &str) -> Result<Url, BadUrl> {
    of(&url::Url::parse(text)?)
}

/// Where `reference` leads that stands in a response of `base` (RFC 3986 §5).
///
/// # Errors
/// As of [`parse`].
pub fn join(base: &Url, reference: &str) -> Result<Url, BadUrl> {
    of(&url::Url::parse(&base.whole())?.join(reference)?)
}

fn of(url: &url::Url) -> Result<Url, BadUrl> {
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(BadUrl::Scheme),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadUrl::Account);
    }
    let host = match url.host().ok_or(BadUrl::Host)? {
        url::Host::Domain(name) => Host::Name(name.to_owned()),
        url::Host::Ipv4(address) => Host::Address(IpAddr::V4(address)),
        url::Host::Ipv6(address) => Host::Address(IpAddr::V6(address)),
    };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", url.path());
    Ok(Url { scheme, host, port: url.port().unwrap_or(scheme.usual_port()), target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_browsers_read_it() {
        for (text, whole) in [
            ("https://id.example.com", "https://id.example.com/"),
            ("HTTPS://ID.example.com:443/a?b#c", "https://id.example.com/a?b"),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://0x7f.1:8080/x", "http://127.0.0.1:8080/x"),
            ("http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"),
        ] {
            assert_eq!(parse(text).map(|url| url.whole()).as_deref(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn what_is_never_asked_is_refused() {
        for (text, why) in [
            ("ftp://a/", BadUrl::Scheme),
            ("file:///etc/passwd", BadUrl::Scheme),
            ("https://alice@a/", BadUrl::Account),
            ("https://:s3cret@a/", BadUrl::Account),
            ("/keys", BadUrl::Malformed(ParseError::RelativeUrlWithoutBase)),
            ("https://", BadUrl::Malformed(ParseError::EmptyHost)),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_reference_is_relative_to_what_it_stands_in() {
        let base = parse("https://id.example.com:8443/a/b?c").unwrap();
        for (reference, whole) in [
            ("keys", "https://id.example.com:8443/a/keys"),
            ("/keys?d", "https://id.example.com:8443/keys?d"),
            ("//other/keys", "https://other/keys"),
            ("http://10.0.0.1", "http://10.0.0.1/"),
        ] {
            assert_eq!(join(&base, reference).map(|url| url.whole()).as_deref(), Ok(whole));
        }
        assert_eq!(join(&base, "gopher://x"), Err(BadUrl::Scheme));
    }
}
