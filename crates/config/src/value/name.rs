//! Names: of services and listeners, of environment variables.

use super::shown;
use crate::faults::Flaw;

const LENGTH_MAX: usize = 63;

/// Checks the name of a service or listener. It ends up in labels of metrics, in file names and on
/// command lines, so it is kept plain.
pub(crate) fn parse(text: &str) -> Result<&str, Flaw> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > LENGTH_MAX {
        "it is longer than 63 characters"
    } else if !text.bytes().all(is_plain) {
        "only letters (a to z), digits, `-` and `_` are allowed"
    } else if text.starts_with(['-', '_']) {
        "it does not begin with a letter or a digit"
    } else {
        return Ok(text);
    };
    Err(Flaw::invalid(format!("\"{}\" is not a name", shown(text)), why, "name it like `api-v2`"))
}

/// Reads the name of an environment variable.
pub(crate) fn parse_variable(text: &str) -> Result<String, Flaw> {
    let is_name = !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_name {
        return Ok(text.to_owned());
    }
    // Whoever put the token itself here would not want to see it printed.
    Err(Flaw::invalid(
        "not the name of an environment variable",
        "names are made of letters, digits and `_`",
        "write the name of the variable that holds the token, such as \"PLIMSOLL_TOKEN\", and \
         never the token itself",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["api", "api-v2", "API_2", "0", &"a".repeat(63)] {
            assert!(parse(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "_a", "a.b", "a b", "ä", "a/b", &"a".repeat(64)] {
            assert!(parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_token_in_place_of_its_variable_is_not_repeated() {
        let flaw = parse_variable("s3cr3t-token").unwrap_err();
        assert!(![flaw.what, flaw.why, flaw.hint].iter().any(|text| text.contains("s3cr3t")));
        assert!(parse_variable("PLIMSOLL_TOKEN").is_ok());
        assert!(parse_variable("1A").is_err());
    }
}
