//! Passwords in URLs and in lists of parameters, which no one is to see.

use std::ops::Range;

use super::secret;

/// What stands for a secret.
pub(crate) const STARS: &str = "***";

/// `text` without the passwords in it: of the accounts of URLs, and of parameters whose names say so; `None` where none
/// is.
pub(crate) fn without_password(text: &str) -> Option<String> {
    let accounts = without_accounts(text);
    without_parameters(accounts.as_deref().unwrap_or(text)).or(accounts)
}

/// `text` without the passwords of the accounts of all URLs in it.
fn without_accounts(text: &str) -> Option<String> {
    let begins: Vec<usize> = text.match_indices("://").map(|(at, _)| at).collect();
    let (mut hidden, mut copied) = (String::new(), 0);
    for (index, begin) in begins.iter().enumerate() {
        let scheme = scheme_before(&text[..*begin]);
        let rest = begin + "://".len();
        // It ends at white space, or where the next one begins.
        let next = begins.get(index + 1);
        let end = next.map_or(text.len(), |next| next - scheme_before(&text[..*next]).len());
        let end = text[rest..end.max(rest)].find(char::is_whitespace).map_or(end, |at| rest + at);
        if let Some(password) = password(scheme, &text[rest..end.max(rest)]) {
            hidden.push_str(&text[copied..rest + password.start]);
            hidden.push_str(STARS);
            copied = rest + password.end;
        }
    }
    (copied > 0).then(|| hidden + &text[copied..])
}

fn scheme_before(text: &str) -> &str {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    &text[text.trim_end_matches(is_of_scheme).len()..]
}

/// Where the password stands in what follows the scheme.
fn password(scheme: &str, rest: &str) -> Option<Range<usize>> {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let at = match authority.rfind('@') {
        Some(at) => at,
        None if may_go_on(scheme, authority) => rest.rfind('@')?,
        None => return None,
    };
    let colon = rest[..at].find(':')?;
    Some(colon + 1..at)
}

/// Whether the account may have a `/`, `?` or `#` in it that should have been escaped: what stands before that is no host
/// with a port, or the paths of such URLs have no `@`.
fn may_go_on(scheme: &str, authority: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_server = match authority.rsplit_once(':') {
        Some((host, port)) => is_port(port) || (host.starts_with('[') && authority.ends_with(']')),
        None => true,
    };
    let is_of_web = ["http", "https", "ws", "wss"].iter().any(|it| scheme.eq_ignore_ascii_case(it));
    !(is_server && is_of_web)
}

/// `text` without the values of those `name=value` in it whose names say that they are secrets.
fn without_parameters(text: &str) -> Option<String> {
    let is_apart = |c: char| c.is_whitespace() || "&;?#\"'".contains(c);
    let (mut hidden, mut copied, mut begin) = (String::new(), 0, 0);
    for piece in text.split(is_apart) {
        if let Some((name, value)) = piece.split_once('=')
            && !value.is_empty()
            && value != STARS
            && secret::is_named(name)
        {
            let at = begin + name.len() + 1;
            hidden.push_str(&text[copied..at]);
            hidden.push_str(STARS);
            copied = at + value.len();
        }
        begin += piece.len();
        begin += text[begin..].chars().next().map_or(0, char::len_utf8);
    }
    (copied > 0).then(|| hidden + &text[copied..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_starred_out() {
        for (text, without) in [
            ("redis://app:s3cr3t@127.0.0.1:6379", Some("redis://app:***@127.0.0.1:6379")),
            ("https://u:p@q@host/a@b", Some("https://u:***@host/a@b")),
            ("https://user@host/", None),
            ("https://host/a:b@c", None),
            ("10.0.0.11:8080", None),
            // A `/` that should have been escaped.
            ("postgres://app:hunt/er2@db:5432/shop", Some("postgres://app:***@db:5432/shop")),
            ("postgres://app:12/34@db/shop", Some("postgres://app:***@db/shop")),
            ("https://app:hunt?er2@host/", Some("https://app:***@host/")),
            ("https://host:8080/@scope/a:b", None),
            ("https://[::1]/a@b", None),
            ("amqp://a:b@one amqp://c:d@two", Some("amqp://a:***@one amqp://c:***@two")),
            ("amqp://a:b@one,amqp://c:d@two", Some("amqp://a:***@one,amqp://c:***@two")),
            (
                "postgres://db/shop?user=a&password=b",
                Some("postgres://db/shop?user=a&password=***"),
            ),
            ("host=db password=hunter2 user=a", Some("host=db password=*** user=a")),
            ("serve --api-key=abc --port=1", Some("serve --api-key=*** --port=1")),
            ("https://u:p@h/?token=ü&a=1", Some("https://u:***@h/?token=***&a=1")),
            ("a=b", None),
            ("://", None),
            ("ü://ü:ü@ü", Some("ü://ü:***@ü")),
        ] {
            assert_eq!(without_password(text).as_deref(), without, "{text}");
        }
    }
}
