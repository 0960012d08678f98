//! Status codes and ranges of them: `200-399`, `200,204-206`.

use model::StatusRange;

use super::shown;
use crate::faults::Flaw;

/// Reads a list of status codes and ranges.
pub(crate) fn parse_ranges(text: &str) -> Result<Vec<StatusRange>, Flaw> {
    let mut at = 0;
    let mut ranges = Vec::new();
    for part in text.split(',') {
        ranges.push(parse_range(part.trim()).map_err(|flaw| flaw.at(at..at + part.len()))?);
        at += part.len() + 1;
    }
    Ok(ranges)
}

fn parse_range(text: &str) -> Result<StatusRange, Flaw> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Ok(StatusRange { first, last }),
        (Some(first), Some(last)) => {
            Err(flaw(text, "it ends before it begins", format!("write \"{last}-{first}\"")))
        }
        _ if is_class(text) => {
            let class = &text[..1];
            let hint = format!("write \"{class}00-{class}99\"");
            Err(flaw(text, "classes are written as ranges", hint))
        }
        _ => Err(flaw(
            text,
            "status codes have three digits, from 100 to 599",
            "write \"200\", \"200-399\" or several of them with commas between",
        )),
    }
}

/// Whether `text` is a class such as `2xx`.
fn is_class(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'5', b'x' | b'X', b'x' | b'X'])
}

fn code(text: &str) -> Option<u16> {
    let text = text.trim();
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|code| is_code && (100..=599).contains(code))
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is no range of status codes", shown(text)), why, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<String> {
        parse_ranges(text).unwrap().iter().map(StatusRange::to_string).collect()
    }

    #[test]
    fn codes_and_ranges_are_read() {
        assert_eq!(written("200-399"), ["200-399"]);
        assert_eq!(written("200, 204-206,404"), ["200", "204-206", "404"]);
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        for (text, part, hint) in
            [("200,399-300", 4..11, "write \"300-399\""), ("2xx", 0..3, "write \"200-299\"")]
        {
            let flaw = parse_ranges(text).unwrap_err();
            assert_eq!((flaw.part, flaw.hint.as_str()), (Some(part), hint));
        }
        for text in ["", ",", "200-", "-200", "20", "600", "200-600", "+20", "éxx", "xx"] {
            assert!(parse_ranges(text).is_err(), "{text}");
        }
    }
}
