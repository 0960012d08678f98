//! Who may ask. The socket is guarded by its file's mode; what comes over TCP is guarded here.
//!
//! Where there is no token, only this machine can ask. That may be another user of it, who is to
//! look and not to deploy; and each web page that a person on it looks at, by a form that posts here,
//! or by a name that is rebound to 127.0.0.1. Those are told by the `Origin` and `Host` that browsers
//! send, and refused.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use crate::tries::Tries;
use crate::{Kind, Operation, Problem};

/// Fewer bytes than this can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Who may ask.
#[derive(Clone, Debug)]
pub enum Guard {
    /// A client that shows one of the tokens.
    Tokens(Tokens),
    /// Whoever is not a web page of another origin, and only to look.
    ReadOnly,
}

/// The tokens that let one in.
#[derive(Clone, Debug)]
pub struct Tokens {
    act: Option<Token>,
    look: Option<Token>,
    tries: Arc<Tries>,
}

/// What a client must show. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// There is nothing in it.
    #[error("blank")]
    Blank,
    /// It can be guessed.
    #[error("shorter than {TOKEN_BYTES_MIN} bytes")]
    Short,
    /// It cannot be sent: a header has no such bytes.
    #[error("not made of visible ASCII characters")]
    Unsendable,
}

/// What one may do who was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// See everything.
    Whole,
    /// See everything but what instances wrote: their logs are their owner's.
    WithoutOutput,
}

/// A connection, as its requests know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// Where it comes from, over TCP.
    pub(crate) address: Option<IpAddr>,
    /// Whether it has shown a token that is right.
    pub(crate) is_trusted: Arc<AtomicBool>,
}

/// Why a client is kept out.
#[derive(Debug)]
struct KeptOut {
    kind: Kind,
    why: &'static str,
}

impl Guard {
    /// Puts the guard before `router`.
    pub(crate) fn before(self, router: Router) -> Router {
        router.layer(middleware::from_fn(move |mut request: Request, next: Next| {
            let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
            let verdict =
                self.admit(request.method(), request.uri().path(), request.headers(), &caller);
            async move {
                match verdict {
                    Ok(sight) => {
                        request.extensions_mut().insert(sight);
                        next.run(request).await
                    }
                    Err(KeptOut { kind, why }) => Problem::new(kind, why).into_response(),
                }
            }
        }))
    }

    fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Result<Sight, KeptOut> {
        match self {
            Self::Tokens(tokens) => tokens.admit(method, path, headers, caller),
            Self::ReadOnly => {
                same_origin(headers)?;
                let why = "a change needs a token over TCP: use the socket, or set \
                           `admin.token_env`";
                only_looks(method, path)
                    .then_some(Sight::WithoutOutput)
                    .ok_or(KeptOut { kind: Kind::Unauthorized, why })
            }
        }
    }
}

/// A question may have a body, and changes nothing all the same.
fn only_looks(method: &Method, path: &str) -> bool {
    method.is_safe() || path == Operation::Explain.path()
}

impl Tokens {
    /// With `act` one may do everything, with `look` only look, and not at what instances wrote. None without one at least.
    pub fn new(act: Option<Token>, look: Option<Token>) -> Option<Self> {
        let is_there = act.is_some() || look.is_some();
        is_there.then(|| Self { act, look, tries: Arc::default() })
    }

    fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Result<Sight, KeptOut> {
        let now = Instant::now();
        if caller.address.is_some_and(|address| self.tries.is_over(address, now)) {
            let why = "too many wrong tokens from this address: wait a minute";
            return Err(KeptOut { kind: Kind::TooManyTries, why });
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let Some(shown) = shown else {
            let why = "the header `Authorization: Bearer TOKEN` is needed";
            return Err(KeptOut { kind: Kind::Unauthorized, why });
        };
        let is_one = |token: &Option<Token>| token.as_ref().is_some_and(|token| token.is(shown));
        // Both are looked at, so that the time says nothing of which it may have been.
        let (acts, looks) = (is_one(&self.act), is_one(&self.look));
        if !acts && !looks {
            if let Some(address) = caller.address {
                self.tries.count(address, now);
            }
            return Err(KeptOut { kind: Kind::Unauthorized, why: "the token is wrong" });
        }
        caller.is_trusted.store(true, Ordering::Relaxed);
        if acts {
            return Ok(Sight::Whole);
        }
        let why = "the read token may only read";
        only_looks(method, path)
            .then_some(Sight::WithoutOutput)
            .ok_or(KeptOut { kind: Kind::OnlyLooks, why })
    }
}

impl Token {
    /// The token `text`, without white space around it.
    ///
    /// # Errors
    /// When it is none that keeps anybody out.
    pub fn new(text: &str) -> Result<Self, NoToken> {
        let text = text.trim();
        if text.is_empty() {
            Err(NoToken::Blank)
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(NoToken::Unsendable)
        } else if text.len() < TOKEN_BYTES_MIN {
            Err(NoToken::Short)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// What is sent of it, as `Authorization`.
    pub(crate) fn bearer(&self) -> HeaderValue {
        let value = HeaderValue::try_from(format!("Bearer {}", self.0));
        let mut value = value.expect("it is made of visible ASCII characters");
        value.set_sensitive(true);
        value
    }

    /// In constant time, so that the token cannot be guessed byte by byte.
    fn is(&self, shown: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(shown, self.0.as_bytes()).is_ok()
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

    const ACTS: &str = "s3cret-of-sixteen";
    const LOOKS: &str = "l00ks-of-sixteen!";

    fn tokens() -> Guard {
        let token = |text| Some(Token::new(text).unwrap());
        Guard::Tokens(Tokens::new(token(ACTS), token(LOOKS)).unwrap())
    }

    fn admit(
        guard: &Guard,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Sight, Kind> {
        guard.admit(method, path, headers, &Caller::default()).map_err(|kept_out| kept_out.kind)
    }

    fn showing(text: &str) -> HeaderMap {
        headers(&[(header::AUTHORIZATION, text)])
    }

    #[test]
    fn only_the_right_token_is_let_in() {
        for (shown, is_let_in) in [
            ("Bearer s3cret-of-sixteen", true),
            ("bearer s3cret-of-sixteen", true),
            ("Bearer s3cret-of-sixtee", false),
            ("Bearer s3cret-of-sixteenx", false),
            ("Bearer ", false),
            ("Basic s3cret-of-sixteen", false),
            ("s3cret-of-sixteen", false),
        ] {
            let admitted = admit(&tokens(), &Method::POST, "/v1/reload", &showing(shown));
            assert_eq!(admitted.is_ok(), is_let_in, "{shown}");
        }
        let nothing = admit(&tokens(), &Method::GET, "/v1/status", &HeaderMap::new());
        assert_eq!(nothing, Err(Kind::Unauthorized));
    }

    #[test]
    fn a_token_for_looking_looks_and_does_nothing_else() {
        let shown = showing(&format!("Bearer {LOOKS}"));
        for operation in Operation::ALL {
            let (method, path) = (operation.method(), operation.path());
            let looks = method == Method::GET || operation == Operation::Explain;
            let expected = if looks { Ok(Sight::WithoutOutput) } else { Err(Kind::OnlyLooks) };
            assert_eq!(admit(&tokens(), &method, path, &shown), expected, "{path}");
            let acting = showing(&format!("Bearer {ACTS}"));
            assert_eq!(admit(&tokens(), &method, path, &acting), Ok(Sight::Whole), "{path}");
        }
        let acts = Guard::Tokens(Tokens::new(None, Some(Token::new(LOOKS).unwrap())).unwrap());
        assert_eq!(admit(&acts, &Method::POST, "/v1/reload", &shown), Err(Kind::OnlyLooks));
        assert!(Tokens::new(None, None).is_none());
    }

    #[test]
    fn one_who_guesses_has_to_wait_even_with_the_right_token_and_another_has_not() {
        let caller = |last| Caller { address: Some([10, 0, 0, last].into()), ..Caller::default() };
        let guard = tokens();
        let kind = |shown: &str, last| {
            let admitted = guard.admit(&Method::GET, "/v1/status", &showing(shown), &caller(last));
            admitted.map_err(|kept_out| kept_out.kind)
        };
        for number in 0..10 {
            assert_eq!(kind(&format!("Bearer {number}"), 1), Err(Kind::Unauthorized));
        }
        let right = format!("Bearer {ACTS}");
        assert_eq!(kind(&right, 1), Err(Kind::TooManyTries));
        assert_eq!(kind(&right, 2), Ok(Sight::Whole));
    }

    #[test]
    fn what_keeps_nobody_out_is_no_token() {
        for (text, error) in [
            ("", NoToken::Blank),
            (" \n", NoToken::Blank),
            ("a", NoToken::Short),
            ("fifteen-letters", NoToken::Short),
            ("with white space in it", NoToken::Unsendable),
            ("not-ascii-\u{fc}-at-all", NoToken::Unsendable),
        ] {
            assert_eq!(Token::new(text).unwrap_err(), error, "{text:?}");
        }
        assert_eq!(Token::new(" s3cret-of-sixteen\n"), Token::new(ACTS));
    }

    #[test]
    fn a_token_is_never_printed() {
        assert!(!format!("{:?}", tokens()).contains("s3cret"));
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
            let admitted = admit(&Guard::ReadOnly, &Method::GET, "/v1/status", &headers);
            assert_eq!(admitted.is_ok(), is_let_in, "{host}");
        }
    }

    #[test]
    fn without_a_token_one_only_looks() {
        let headers = headers(&[(header::HOST, "localhost")]);
        for operation in Operation::ALL {
            let (method, path) = (operation.method(), operation.path());
            let looks = method == Method::GET || operation == Operation::Explain;
            let admitted = admit(&Guard::ReadOnly, &method, path, &headers);
            let expected = if looks { Ok(Sight::WithoutOutput) } else { Err(Kind::Unauthorized) };
            assert_eq!(admitted, expected, "{path}");
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
            let admitted = admit(&Guard::ReadOnly, &Method::GET, "/v1/status", &headers(&of));
            assert_eq!(admitted.is_ok(), is_let_in, "{origin}");
        }
    }
}
