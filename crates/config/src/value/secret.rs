//! Which names say that their value is a secret. A value too many that is starred out harms nobody; one too few does.

/// What the name of a secret has in it, wherever.
const WORDS: [&str; 16] = [
    "auth",
    "bearer",
    "cookie",
    "cred",
    "dsn",
    "jwt",
    "key",
    "passphrase",
    "passw",
    "private",
    "pwd",
    "secret",
    "session",
    "signature",
    "token",
    "webhook",
];

/// What one of its words has at its end, as in `DB_PASS`, `dbPass` and `API_PW`.
const ENDS: [&str; 3] = ["pass", "pw", "passcode"];

/// What is named like a secret, and is none: where a shell is and was, and words that end like one.
const OTHERS: [&str; 4] = ["pwd", "oldpwd", "bypass", "compass"];

/// Whether a header, cookie, parameter or variable of this name probably holds a secret.
pub(crate) fn is_named(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if OTHERS.contains(&name.as_str()) {
        return false;
    }
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    let ends = |part: &str| ENDS.iter().any(|end| part.ends_with(end)) && !OTHERS.contains(&part);
    WORDS.iter().any(|word| name.contains(word)) || parts.any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "Authorization",
            "x-api-key",
            "X-Auth-Token",
            "sessionid",
            "Set-Cookie",
            "PHPSESSION",
            "DB_PASS",
            "dbPass",
            "PASS",
            "MYSQL_PWD",
            "API_PW",
            "JWT",
            "CREDS",
            "aws_credentials",
            "BEARER",
            "SLACK_WEBHOOK",
            "SENTRY_DSN",
            "KEY_PASSPHRASE",
            "DOOR_PASSCODE",
        ] {
            assert!(is_named(name), "{name}");
        }
        for name in [
            "x-env",
            "x-frame-options",
            "PWD",
            "OLDPWD",
            "PORT",
            "HOME",
            "passive",
            "CACHE_BYPASS",
            "COMPASS",
            "PASSENGERS",
            "API_HOST",
        ] {
            assert!(!is_named(name), "{name}");
        }
    }
}
