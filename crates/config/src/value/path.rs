//! Paths: what a route matches, what a rewrite takes away or adds, what a health check asks for.
//!
//! Routes are matched after escapes are undone, dot segments resolved and empty segments dropped, so a
//! pattern with segments that are gone by then could never match, nor could one that servers read in two
//! ways; it is refused with what would.

use model::PathMatch;

use super::{expression, shown};
use crate::diagnostic::Code;
use crate::faults::Flaw;

/// Reads what a route matches: `/cart`, `/chat/*`, `/*`, `~^/v[0-9]+/`.
pub(crate) fn parse_match(text: &str) -> Result<PathMatch, Flaw> {
    if let Some(meant) = meant_expression(text) {
        let hint = format!("write \"{}\"", shown(&meant));
        return Err(flaw(text, "only an expression may follow `~`", hint));
    }
    if let Some(expression) = text.strip_prefix('~') {
        return expression::parse(expression, 1).map(PathMatch::Expression);
    }
    if text == "/*" {
        return Ok(PathMatch::Any);
    }
    let (path, make): (_, fn(String) -> PathMatch) = match text.strip_suffix("/*") {
        Some(path) => (path, PathMatch::Prefix),
        None => (text, PathMatch::Exact),
    };
    check_star(text, path)?;
    check(text, path)?;
    check_readings(text, path)?;
    Ok(make(path.to_owned()))
}

/// What is to be said of the first segment that looks like a parameter of a framework's router, as in `/user/:id` and
/// `/user/{id}`: here it is a segment like any other, and the route would match nothing that was meant.
pub(crate) fn parameter(text: &str) -> Option<Flaw> {
    let mut at = 0;
    for segment in text.split('/').take_while(|_| !text.starts_with('~')) {
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let inside = |open, close| segment.strip_prefix(open)?.strip_suffix(close);
        let name = segment.strip_prefix(':').or(inside('{', '}')).or(inside('<', '>'));
        if name.is_some_and(is_name) {
            let before = &text[..at.max(1) - 1];
            let part = at..at + segment.len();
            // It has passed the check of paths: nothing in it has to be escaped to be shown.
            let hint = format!(
                "write \"{before}/*\" for all that is below, or an expression such as \"~^{}/[^/]+$\"",
                regex_syntax::escape(before)
            );
            let what = "a path has no parameters";
            let why = "only a path with this very segment is matched";
            return Some(Flaw::new(Code::NoEffect, what, why, hint).at(part));
        }
        at += segment.len() + 1;
    }
    None
}

/// The expression, as it is written here, that `text` was meant to be: without its tilde, or as nginx
/// and Apache write it. What could be the path of a request is never taken for one.
fn meant_expression(text: &str) -> Option<String> {
    // nginx: `~ ^/v1` heeds case, `~* \.php$` does not.
    if let Some(rest) = text.strip_prefix("~*") {
        return Some(format!("~(?i){}", rest.trim_start()));
    }
    if let Some(rest) = text.strip_prefix('~') {
        return rest.starts_with(' ').then(|| format!("~{}", rest.trim_start()));
    }
    // nginx: the longest prefix, whatever the expressions say.
    if let Some(rest) = text.strip_prefix("^~").map(str::trim_start) {
        return Some(format!("{}/*", rest.trim_end_matches(['*', '/'])));
    }
    let marks = [".*", ".+", "[0-9", "[a-z", "[A-Z", "[^", "\\d", "\\w", "\\.", "(?"];
    let is_marked = marks.iter().any(|mark| text.contains(mark));
    let is_anchored = text.starts_with('^') || (text.starts_with('/') && text.ends_with(")$"));
    (is_marked || is_anchored).then(|| match text.starts_with('^') {
        true => format!("~{text}"),
        false => format!("~^{text}"),
    })
}

/// Reads a prefix that a rewrite takes away or adds: `/chat`.
pub(crate) fn parse_prefix(text: &str) -> Result<String, Flaw> {
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is not a prefix", shown(text)), why, hint)
    };
    if let Some(path) = text.strip_suffix("/*").filter(|path| !path.is_empty()) {
        return Err(flaw("a prefix has no star", format!("write \"{}\"", shown(path))));
    }
    if text == "/" || text == "/*" {
        return Err(flaw("it changes nothing", "leave it out".to_owned()));
    }
    if let Some(path) = text.strip_suffix('/') {
        let hint = format!("write \"{}\"", shown(path));
        return Err(flaw("the slash behind it belongs to what follows", hint));
    }
    check(text, text)?;
    Ok(text.to_owned())
}

/// Reads what a health check asks for: a path with a query if need be.
pub(crate) fn parse_request_target(text: &str) -> Result<String, Flaw> {
    let (path, _) = text.split_once('?').unwrap_or((text, ""));
    check_begin(text, path)?;
    match text.char_indices().find(|(_, char)| !char.is_ascii_graphic() || *char == '#') {
        Some((at, char)) => Err(stray(text, at, char)),
        None => Ok(text.to_owned()),
    }
}

/// Whether every path that `pattern` matches is `prefix` or below it.
pub(crate) fn implies(pattern: &PathMatch, prefix: &str) -> bool {
    match pattern {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathMatch::Any | PathMatch::Expression(_) => false,
    }
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is not a path", shown(text)), why, hint)
}

/// Checks that all servers read `path` in one way: requests for others are answered with 400 wherever it
/// would matter, so that no such route is ever taken.
fn check_readings(text: &str, path: &str) -> Result<(), Flaw> {
    let escape = |at: usize| path.get(at + 1..at + 3).map(str::to_ascii_uppercase);
    let is_digit = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let found = path.char_indices().find_map(|(at, char)| match (char, escape(at).as_deref()) {
        ('\\' | ';', _) => Some(at..at + 1),
        ('%', Some("2F" | "5C" | "3B" | "3F" | "23")) => Some(at..at + 3),
        ('%', Some("25")) if is_digit(at + 3) && is_digit(at + 4) => Some(at..at + 3),
        _ => None,
    });
    let Some(part) = found else { return Ok(()) };
    let why = "servers read this in two ways, so requests for it get 400";
    let before = path[..part.start].rfind('/').unwrap_or(0);
    let hint = format!("write the path without it, such as \"{}/*\"", &path[..before]);
    Err(flaw(text, why, hint).at(part))
}

/// A star stands for everything below a path, and only behind its last slash.
fn check_star(text: &str, path: &str) -> Result<(), Flaw> {
    let Some(star) = path.find('*') else {
        return Ok(());
    };
    let before = path[..star].trim_end_matches('/');
    let hint = match star + 1 == text.len() {
        true => format!(
            "write \"{before}/*\" for {before} and everything below it, or \"~^{}\" for all that \
             begins so",
            regex_syntax::escape(&path[..star])
        ),
        false if text.ends_with("/**") && star + 2 == text.len() => {
            format!("write \"{before}/*\", which is everything below {before}")
        }
        false => format!("write an expression, such as \"~^{}\"", as_expression(text)),
    };
    let flaw = flaw(text, "a star is allowed only at the end, behind a slash", hint);
    Err(flaw.at(star..star + 1))
}

/// `pattern` as an expression, each star being a segment.
fn as_expression(pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('*').map(regex_syntax::escape).collect();
    format!("{}$", parts.join("[^/]+"))
}

fn check_begin(text: &str, path: &str) -> Result<(), Flaw> {
    match path.starts_with('/') {
        true => Ok(()),
        false if text.is_empty() => {
            Err(flaw(text, "it is empty", "write a path such as \"/cart\""))
        }
        false if text.contains("://") => Err(flaw(
            text,
            "a path is no URL",
            "write only the part from the slash behind the host",
        )),
        false => {
            Err(flaw(text, "a path begins with a slash", format!("write \"/{}\"", shown(text))))
        }
    }
}

/// Checks that `path` is in the form in which paths are matched; `text` is what it is a part of.
fn check(text: &str, path: &str) -> Result<(), Flaw> {
    check_begin(text, path)?;
    for (at, char) in path.char_indices() {
        match char {
            '?' => {
                return Err(flaw(
                    text,
                    "the query is matched by `query`",
                    "write `query = { name = \"value\" }`",
                )
                .at(at..at + 1));
            }
            '%' => check_escape(text, path, at)?,
            _ if char.is_ascii_graphic() && char != '#' => {}
            _ => return Err(stray(text, at, char)),
        }
    }
    check_segments(text, path)
}

fn check_segments(text: &str, path: &str) -> Result<(), Flaw> {
    // A slash at the end is one of the path's own, unless it belongs to the star that was cut off.
    let inner = match path.strip_suffix('/') {
        Some(inner) if text.len() == path.len() => inner,
        _ => path,
    };
    if inner.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | "..")) {
        return Ok(());
    }
    let why = "requests are matched after `.`, `..` and empty segments are resolved";
    Err(flaw(text, why, "write the path without them"))
}

fn check_escape(text: &str, path: &str, at: usize) -> Result<(), Flaw> {
    let digits =
        path.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(digits) = digits else {
        let hint = "write %25 for a percent sign";
        return Err(flaw(text, "two hexadecimal digits follow `%`", hint).at(at..at + 1));
    };
    let byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    let part = at..at + 3;
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        let hint = format!("write `{}` for `%{digits}`", char::from(byte));
        return Err(flaw(text, "requests are matched without needless escapes", hint).at(part));
    }
    if digits.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let hint = format!("write `%{}`", digits.to_uppercase());
        return Err(flaw(text, "requests are matched with escapes in upper case", hint).at(part));
    }
    Ok(())
}

/// A character that no path has.
fn stray(text: &str, at: usize, char: char) -> Flaw {
    let mut buffer = [0; 4];
    let bytes = char.encode_utf8(&mut buffer).bytes();
    let escaped: String = bytes.map(|byte| format!("%{byte:02X}")).collect();
    let hint = match char {
        '#' => "fragments are never sent; leave it out".to_owned(),
        _ => format!("write `{escaped}`"),
    };
    flaw(text, "paths are sent with this character escaped", hint).at(at..at + char.len_utf8())
}

/// Reads the path of a cookie (RFC 6265 §4.1.1).
pub(crate) fn parse_cookie_path(text: &str) -> Result<String, Flaw> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    match text.starts_with('/') && is_plain {
        true => Ok(text.to_owned()),
        false => {
            let what = format!("\"{}\" is not a cookie's path", shown(text));
            let why = "it begins with a slash, and has no space, `;` or other letters than ASCII's";
            Err(Flaw::invalid(what, why, "write it like \"/shop\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(text: &str) -> String {
        parse_match(text).unwrap_err().hint
    }

    #[test]
    fn patterns_are_exact_prefix_any_or_expression() {
        for (text, path) in [
            ("/", PathMatch::Exact("/".to_owned())),
            ("/cart", PathMatch::Exact("/cart".to_owned())),
            ("/cart/", PathMatch::Exact("/cart/".to_owned())),
            ("/chat/*", PathMatch::Prefix("/chat".to_owned())),
            ("/a/b.c/%20/*", PathMatch::Prefix("/a/b.c/%20".to_owned())),
            ("/100%25/*", PathMatch::Prefix("/100%25".to_owned())),
            ("/*", PathMatch::Any),
        ] {
            assert_eq!(parse_match(text).unwrap(), path, "{text}");
        }
        assert!(matches!(parse_match("~^/v[0-9]+/").unwrap(), PathMatch::Expression(_)));
    }

    #[test]
    fn a_star_elsewhere_is_answered_with_what_was_meant() {
        assert_eq!(
            hint("/chat*"),
            "write \"/chat/*\" for /chat and everything below it, or \"~^/chat\" for all that \
             begins so"
        );
        assert_eq!(hint("/a.b/*/c"), "write an expression, such as \"~^/a\\.b/[^/]+/c$\"");
        assert_eq!(hint("/a/**"), "write \"/a/*\", which is everything below /a");
    }

    #[test]
    fn what_a_router_of_a_framework_takes_for_a_parameter_is_told() {
        let told = |text: &str| parameter(text).map(|flaw| (flaw.part.unwrap(), flaw.hint));
        for (text, segment, hint) in [
            (
                "/user/:id",
                ":id",
                "write \"/user/*\" for all that is below, or an expression such as \"~^/user/[^/]+$\"",
            ),
            (
                "/a.b/{name}/x",
                "{name}",
                "write \"/a.b/*\" for all that is below, or an expression such as \"~^/a\\.b/[^/]+$\"",
            ),
            (
                "/:lang",
                ":lang",
                "write \"/*\" for all that is below, or an expression such as \"~^/[^/]+$\"",
            ),
        ] {
            let (part, told) = told(text).unwrap();
            assert_eq!((&text[part], told.as_str()), (segment, hint), "{text}");
        }
        for text in ["/v1/books:list", "/a/:", "/12:30", "~^/:id$", "/*", "/", "/a/{}", "/:1"] {
            assert!(told(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_expression_without_its_tilde_is_answered_with_it() {
        for (text, meant) in [
            ("^/v1", "write \"~^/v1\""),
            ("^/v[0-9]+/", "write \"~^/v[0-9]+/\""),
            ("/api/(.*)", "write \"~^/api/(.*)\""),
            ("/v[0-9]+", "write \"~^/v[0-9]+\""),
            ("~ ^/v1", "write \"~^/v1\""),
            ("~* [.]php$", "write \"~(?i)[.]php$\""),
            ("^~ /static/", "write \"/static/*\""),
        ] {
            assert_eq!(hint(text), meant, "{text}");
        }
        for path in ["/Products(1)", "/odata/$metadata", "/a+b", "/a.b", "/-/", "/a[]"] {
            assert!(parse_match(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn what_no_request_could_have_is_refused() {
        assert_eq!(hint("cart"), "write \"/cart\"");
        assert_eq!(hint("/café"), "write `%C3%A9`");
        assert_eq!(hint("/a b"), "write `%20`");
        assert_eq!(hint("/%61"), "write `a` for `%61`");
        assert_eq!(hint("/%2f"), "write `%2F`");
        for text in [
            "",
            "*",
            "/..",
            "/a/../b",
            "/a//b",
            "/a//*",
            "//*",
            "/./a",
            "/a#b",
            "/a?b=c",
            "/%4",
            "/%zz",
            "http://a/b",
        ] {
            assert!(parse_match(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_refused() {
        assert_eq!(hint("/a/b%2Fc"), "write the path without it, such as \"/a/*\"");
        assert_eq!(hint("/a;b/*"), "write the path without it, such as \"/*\"");
        for text in ["/a\\b", "/a%5Cb", "/a;", "/a%3Bb/*", "/a%3F", "/a%23b", "/%2541", "/%2F/*"] {
            assert!(parse_match(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_may_be_taken_only_where_it_must_be() {
        let implied = |pattern, prefix| implies(&parse_match(pattern).unwrap(), prefix);
        assert!(implied("/chat/*", "/chat"));
        assert!(implied("/chat/v1/*", "/chat"));
        assert!(implied("/chat", "/chat"));
        assert!(implied("/chat/x", "/chat"));
        assert!(!implied("/chatter/*", "/chat"));
        assert!(!implied("/*", "/chat"));
        assert!(!implied("/c/*", "/chat"));
        assert!(!implied("~^/chat/", "/chat"));
    }

    #[test]
    fn prefixes_have_no_slash_behind_them() {
        assert_eq!(parse_prefix("/chat").unwrap(), "/chat");
        for (text, hint) in [
            ("/chat/", "write \"/chat\""),
            ("/chat/*", "write \"/chat\""),
            ("/", "leave it out"),
            ("/*", "leave it out"),
            ("chat", "write \"/chat\""),
        ] {
            assert_eq!(parse_prefix(text).unwrap_err().hint, hint, "{text}");
        }
    }

    #[test]
    fn a_health_check_may_ask_with_a_query() {
        assert!(parse_request_target("/health?full=1").is_ok());
        for text in ["", "health", "/a b", "/a#b", "/a\r\nb", "/é"] {
            assert!(parse_request_target(text).is_err(), "{text}");
        }
    }
}
