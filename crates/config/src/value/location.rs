//! Where a redirect leads to: an absolute URL, or a path.

use super::{host, shown};
use crate::faults::Flaw;

/// Reads where a redirect leads to.
pub(crate) fn parse(text: &str) -> Result<String, Flaw> {
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is not a place to redirect to", shown(text)), why, hint)
    };
    let example =
        || "write an absolute URL such as \"https://new.example.com\", or a path".to_owned();
    if let Some((at, char)) = text.char_indices().find(|(_, char)| !char.is_ascii_graphic()) {
        let escaped = "a URL has only ASCII characters and no space";
        return Err(flaw(escaped, "escape it with `%`".to_owned()).at(at..at + char.len_utf8()));
    }
    if text.starts_with("//") {
        return Err(flaw("it begins with two slashes", format!("write \"https:{}\"", shown(text))));
    }
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let rest = match text.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some(_) => return Err(flaw("only http and https can be led to", example())),
        None if text.is_empty() => return Err(flaw("it is empty", example())),
        None => {
            let hint = format!("write \"https://{0}\", or \"/{0}\" for a path", shown(text));
            return Err(flaw("neither a URL nor a path", hint));
        }
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match host::parse_authority(authority) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(flaw(&error.why, example())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_led_to() {
        for text in ["https://new.example.com", "http://a.b:8080/c?d#e", "/new", "https://[::1]/"] {
            assert_eq!(parse(text).unwrap(), text);
        }
        for text in [
            "",
            "new.example.com",
            "//a.b",
            "ftp://a",
            "https://",
            "https:///x",
            "/a b",
            "/é",
            "javascript:x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
