//! Passwords in URLs, which no one is to see.

/// What stands for a secret.
pub(crate) const STARS: &str = "***";

/// `text` without the password that is in it as a URL; `None` where none is.
pub(crate) fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (account, _) = rest[..end].rsplit_once('@')?;
    let (user, _) = account.split_once(':')?;
    Some(format!("{scheme}://{user}:{STARS}{}", &rest[account.len()..]))
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
        ] {
            assert_eq!(without_password(text).as_deref(), without, "{text}");
        }
    }
}
