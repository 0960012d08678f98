//! Who may ask. The socket is guarded by its file's mode; what comes over TCP is guarded here.
//!
//! Where there is no token, only this machine can ask. That may be another user of it, who is to
//! look and not to deploy; and each web page that a person on it looks at, by a form that posts here,
//! or by a name that is rebound to 127.0.0.1. Those are told by the `Origin` and `Host` that browsers
//! send, and refused.

use std::fmt;
use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use http::{HeaderMap, Method, Uri, header};

use crate::{Kind, Operation, Problem};

/// Who may ask.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Whoever shows the token.
    Token(Token),
    /// Whoever is not a web page of another origin, and only to look.
    ReadOnly,
}

/// What a client must show. Never printed.
#[derive(Clone)]
pub struct Token(String);

/// Why a client is kept out.
#[derive(Debug)]
struct KeptOut {
    kind: Kind,
    why: &'static str,
}

impl Guard {
    /// Puts the guard before `router`.
    pub(crate) fn before(self, router: Router) -> Router {
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let verdict = self.admit(request.method(), request.uri().path(), request.headers());
            async move {
                match verdict {
                    Ok(()) => next.run(request).await,
                    Err(KeptOut { kind, why }) => Problem::new(kind, why).into_response(),
                }
            }
        }))
    }

    fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), KeptOut> {
        match self {
            Self::Token(token) => token.admit(headers),
            Self::ReadOnly => same_origin(headers).and_then(|()| only_looks(method, path)),
        }
    }
}

/// A question may have a body, and changes nothing all the same.
fn only_looks(method: &Method, path: &str) -> Result<(), KeptOut> {
    if method.is_safe() || path == Operation::Explain.path() {
        return Ok(());
    }
    let why =
        "what changes something needs a token over TCP: use the socket, or set `admin.token_env`";
    Err(KeptOut { kind: Kind::Unauthorized, why })
}

impl Token {
    /// The token `text`; none if it is blank.
    pub fn new(text: String) -> Option<Self> {
        (!text.trim().is_empty()).then_some(Self(text))
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), KeptOut> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let Some(shown) = shown else {
            let why = "the header `Authorization: Bearer TOKEN` is needed";
            return Err(KeptOut { kind: Kind::Unauthorized, why });
        };
        // In constant time, so that the token cannot be guessed byte by byte.
        let why = "the token is not the right one";
        aws_lc_rs::constant_time::verify_slices_are_equal(shown, self.0.as_bytes())
            .map_err(|_| KeptOut { kind: Kind::Unauthorized, why })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn same_origin(headers: &HeaderMap) -> Result<(), KeptOut> {
    let foreign = |why| Err(KeptOut { kind: Kind::ForeignOrigin, why });
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_of_this_machine(host) {
        return foreign("`Host` must be an address or `localhost` where no token is set");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    match origin.as_ref().and_then(Uri::authority) {
        Some(authority) if authority.as_str().eq_ignore_ascii_case(host) => Ok(()),
        _ => foreign("`Origin` is not this API's own"),
    }
}

/// Whether `host` is an address, or the name that always means this machine: one that cannot be
/// rebound.
fn is_of_this_machine(host: &str) -> bool {
    let Ok(uri) = host.parse::<Uri>() else { return false };
    let Some(name) = uri.host() else { return false };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(header::HeaderName, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        let guard = Guard::Token(Token::new("s3cret".to_owned()).unwrap());
        for (shown, is_let_in) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3cretx", false),
            ("Bearer ", false),
            ("Basic s3cret", false),
            ("s3cret", false),
        ] {
            let headers = headers(&[(header::AUTHORIZATION, shown)]);
            assert_eq!(
                guard.admit(&Method::POST, "/v1/reload", &headers).is_ok(),
                is_let_in,
                "{shown}"
            );
        }
        assert_eq!(
            guard.admit(&Method::GET, "/v1/status", &HeaderMap::new()).unwrap_err().kind,
            Kind::Unauthorized
        );
    }

    #[test]
    fn a_blank_token_is_none() {
        assert!(Token::new(String::new()).is_none());
        assert!(Token::new("  ".to_owned()).is_none());
    }

    #[test]
    fn a_token_is_never_printed() {
        let guard = Guard::Token(Token::new("s3cret".to_owned()).unwrap());
        assert!(!format!("{guard:?}").contains("s3cret"));
    }

    #[test]
    fn names_that_can_be_rebound_are_kept_out() {
        for (host, is_let_in) in [
            ("127.0.0.1:7070", true),
            ("[::1]:7070", true),
            ("localhost:7070", true),
            ("LOCALHOST", true),
            ("evil.example.com:7070", false),
            ("127.0.0.1.evil.example.com", false),
            ("", false),
        ] {
            let headers = headers(&[(header::HOST, host)]);
            assert_eq!(
                Guard::ReadOnly.admit(&Method::GET, "/v1/status", &headers).is_ok(),
                is_let_in,
                "{host}"
            );
        }
    }

    #[test]
    fn without_a_token_one_only_looks() {
        let headers = headers(&[(header::HOST, "localhost")]);
        for operation in Operation::ALL {
            let (method, path) = (operation.method(), operation.path());
            let looks = method == Method::GET || operation == Operation::Explain;
            let admitted = Guard::ReadOnly.admit(&method, path, &headers);
            assert_eq!(admitted.is_ok(), looks, "{path}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_kept_out() {
        for (origin, is_let_in) in [
            ("http://127.0.0.1:7070", true),
            ("http://127.0.0.1:8080", false),
            ("https://evil.example.com", false),
            ("null", false),
        ] {
            let of = [(header::HOST, "127.0.0.1:7070"), (header::ORIGIN, origin)];
            assert_eq!(
                Guard::ReadOnly.admit(&Method::GET, "/v1/status", &headers(&of)).is_ok(),
                is_let_in,
                "{origin}"
            );
        }
    }
}
