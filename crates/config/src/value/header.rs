//! Headers and cookies: names, values, and which may be changed at all.

use crate::faults::Flaw;
use crate::value::shown;

/// Which side sees a header that is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The instance.
    Request,
    /// The client.
    Response,
}

/// Reads a header's name, in lower case.
pub(crate) fn parse_name(text: &str) -> Result<String, Flaw> {
    match is_token(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            let what = format!("\"{}\" is not a header's name", shown(text));
            Err(Flaw::invalid(what, not_a_token(text), "write it like `x-request-id`"))
        }
    }
}

/// Reads a cookie's name.
pub(crate) fn parse_cookie(text: &str) -> Result<String, Flaw> {
    match is_token(text) {
        true => Ok(text.to_owned()),
        false => {
            let what = format!("\"{}\" is not a cookie's name", shown(text));
            Err(Flaw::invalid(what, not_a_token(text), "write it like `session`"))
        }
    }
}

/// Reads a method.
pub(crate) fn parse_method(text: &str) -> Result<String, Flaw> {
    let flaw = |why: &str, hint: String| {
        Err(Flaw::invalid(format!("\"{}\" is not a method", shown(text)), why, hint))
    };
    if !is_token(text) {
        return flaw(not_a_token(text), "write it like \"GET\"".to_owned());
    }
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return flaw(
            "methods are written in capitals",
            format!("write \"{}\"", text.to_uppercase()),
        );
    }
    Ok(text.to_owned())
}

/// Reads a header's value (RFC 9110 §5.5). What it is never gets into a message.
pub(crate) fn parse_value(text: &str) -> Result<String, Flaw> {
    let what = "not a header's value";
    if let Some((at, char)) =
        text.char_indices().find(|(_, char)| !matches!(char, ' '..='~' | '\t'))
    {
        let why = match char.is_control() {
            true => "there is a control character here",
            false => "only ASCII characters are sure to arrive as they were sent",
        };
        let hint = "leave it out, or encode it in a way that the receiver knows";
        return Err(Flaw::invalid(what, why, hint).at(at..at + char.len_utf8()));
    }
    if text.trim_matches([' ', '\t']) != text {
        let why = "white space at its ends is not transmitted";
        return Err(Flaw::invalid(what, why, "leave the white space out"));
    }
    Ok(text.to_owned())
}

/// Reads a media type, with parameters if need be.
pub(crate) fn parse_media_type(text: &str) -> Result<String, Flaw> {
    let essence = text.split(';').next().unwrap_or(text).trim();
    let is_type = essence.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b));
    match is_type {
        true => parse_value(text),
        false => {
            let what = format!("\"{}\" is not a media type", shown(text));
            let why = "it has a type, a slash and a subtype";
            Err(Flaw::invalid(what, why, "write it like \"text/html; charset=utf-8\""))
        }
    }
}

/// Refuses the headers that frame a message or belong to one connection only (RFC 9110 §7.6.1):
/// changing them would make others read the message differently than it was meant.
///
/// A spelling with underscores is refused with the name itself: a server may read it so.
pub(crate) fn check_editable(name: &str, side: Side) -> Result<(), Flaw> {
    let read = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let (why, hint) = match (&*read, side) {
        ("host", Side::Request) => {
            ("`host` is a part of the request's target", "use `rewrite = { host = \"...\" }`")
        }
        ("host", Side::Response) => ("responses have no `host`", "leave it out"),
        ("content-length" | "transfer-encoding", _) => (
            "it says where the message ends, and Plimsoll writes it for each side anew",
            "leave it out; how large a body may be is the route's `body`",
        ),
        ("connection" | "keep-alive", _) => (
            "it is about one connection, and Plimsoll writes it for each side anew",
            "leave it out; how long connections stay open are the `timeouts` of listeners and \
             services",
        ),
        ("upgrade", _) => {
            ("it is about one connection; upgrades pass through by themselves", "leave it out")
        }
        ("te" | "trailer", _) => {
            ("it is about one connection; trailers pass through by themselves", "leave it out")
        }
        ("expect", Side::Request) => (
            "a client asks by it whether to send its body, and Plimsoll asks the instance for it",
            "leave it out; how large a body may be is the route's `body`",
        ),
        ("expect", Side::Response) => ("responses have no `expect`", "leave it out"),
        ("proxy", _) => (
            "programs behind CGI take it for the address of a proxy, so that it is never passed on",
            "leave it out, or take another name",
        ),
        _ if read.starts_with("proxy-") => (
            "it is meant for the next proxy only and never passed on",
            "leave it out; what an instance should know goes into a header such as `authorization`",
        ),
        _ => return Ok(()),
    };
    Err(Flaw::invalid(format!("`{name}` cannot be changed"), why, hint))
}

/// Whether `text` is a token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_allowed)
}

fn not_a_token(text: &str) -> &'static str {
    match text.is_empty() {
        true => "it is empty",
        false => "only ASCII letters, digits and !#$%&'*+-.^_`|~ are allowed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens() {
        assert_eq!(parse_name("X-Beta").unwrap(), "x-beta");
        assert_eq!(parse_cookie("Beta").unwrap(), "Beta");
        for name in ["", "a b", "a:b", "ä", "a\n"] {
            assert!(parse_name(name).is_err() && parse_cookie(name).is_err(), "{name}");
        }
    }

    #[test]
    fn methods_are_written_in_capitals() {
        assert_eq!(parse_method("PURGE").unwrap(), "PURGE");
        assert_eq!(parse_method("get").unwrap_err().hint, "write \"GET\"");
        assert!(parse_method("").is_err() && parse_method("G T").is_err());
    }

    #[test]
    fn values_cannot_smuggle_a_line() {
        assert_eq!(parse_value("a b\tc").unwrap(), "a b\tc");
        assert_eq!(parse_value("").unwrap(), "");
        for value in ["a\r\nb: c", "a\0", " a", "a ", "é", "\u{7f}"] {
            assert!(parse_value(value).is_err(), "{value:?}");
        }
        assert_eq!(parse_value("ab\ncd").unwrap_err().part, Some(2..3));
    }

    #[test]
    fn framing_and_hop_by_hop_headers_stay_as_they_are() {
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "te",
            "trailer",
            "upgrade",
            "keep-alive",
            "proxy-connection",
            "proxy-authorization",
            "proxy-authenticate",
            "content_length",
            "transfer.encoding",
            "expect",
            "proxy",
        ] {
            for side in [Side::Request, Side::Response] {
                assert!(check_editable(name, side).is_err(), "{name}");
            }
        }
        assert!(check_editable("x-env", Side::Request).is_ok());
        assert!(check_editable("authorization", Side::Request).is_ok());
    }
}
