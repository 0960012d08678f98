//! Sizes: `512B`, `64KiB`, `10MiB`, `1GiB`, and the decimal `KB`, `MB`, `GB`.

use model::BodyLimit;

use super::{shown, split_number};
use crate::faults::Flaw;

/// The units and their lengths in bytes; those in which sizes are written first, the longest first.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

const EXAMPLE: &str =
    "write a whole number and its unit, as in \"512B\", \"64KiB\", \"10MiB\" or \"1GiB\"";

/// Reads a size, in bytes.
pub(crate) fn parse(text: &str) -> Result<u64, Flaw> {
    exact(text).ok_or_else(|| misread(text))
}

fn exact(text: &str) -> Option<u64> {
    let (digits, unit) = split_number(text);
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*length)
}

/// Reads a size, or `unlimited`.
pub(crate) fn parse_limit(text: &str) -> Result<BodyLimit, Flaw> {
    match text {
        "unlimited" => Ok(BodyLimit::Unlimited),
        "off" | "none" | "no" | "infinite" | "inf" | "max" | "any" | "false" | "-1" => {
            Err(flaw(text, "no limit has one word", "write \"unlimited\""))
        }
        _ => parse(text).map(BodyLimit::Bytes),
    }
}

/// `bytes` as they are written in a file, in the longest binary unit that says them whole.
pub(crate) fn written(bytes: u64) -> String {
    let whole = UNITS.iter().find(|(_, length)| bytes != 0 && bytes.is_multiple_of(*length));
    let (unit, length) = whole.unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / length)
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is not a size", shown(text)), why, hint)
}

/// What is wrong with `text`, and how it was probably meant.
fn misread(text: &str) -> Flaw {
    let (digits, unit) = split_number(text);
    if text.is_empty() {
        return flaw(text, "it is empty", EXAMPLE);
    }
    if text.contains(char::is_whitespace) {
        let joined: String = text.split_whitespace().collect();
        let hint = match exact(&joined) {
            Some(_) => format!("write \"{joined}\""),
            None => misread(&joined).hint,
        };
        return flaw(text, "number and unit stand together", hint);
    }
    if digits.is_empty() {
        return flaw(text, "it does not begin with a number", EXAMPLE);
    }
    if UNITS.iter().any(|(name, _)| *name == unit) {
        return flaw(text, "more than there is anywhere", "write less");
    }
    if unit.is_empty() {
        let bytes = digits.parse().map_or(text.to_owned(), written);
        return flaw(text, "it has no unit", format!("write \"{bytes}\""));
    }
    if unit.starts_with('.') {
        let hint = fraction(text)
            .map_or(EXAMPLE.to_owned(), |bytes| format!("write \"{}\"", written(bytes)));
        return flaw(text, "the number has a fraction", hint);
    }
    let why = "the units are B, KiB, MiB and GiB, or KB, MB and GB for powers of ten";
    match binary(unit) {
        Some(unit) => flaw(text, why, format!("write \"{digits}{unit}\"")),
        None => flaw(text, why, EXAMPLE),
    }
}

/// The binary unit that `unit` begins like: nginx and others mean it by `k`, `m` and `g`.
fn binary(unit: &str) -> Option<&'static str> {
    let wanted = unit.to_lowercase();
    let exact = UNITS.iter().find(|(name, _)| name.to_lowercase() == wanted);
    let meant = match wanted.as_str() {
        "k" | "ki" => Some("KiB"),
        "m" | "mi" | "meg" => Some("MiB"),
        "g" | "gi" | "gig" => Some("GiB"),
        "byte" | "bytes" => Some("B"),
        _ => None,
    };
    exact.map(|(name, _)| *name).or(meant)
}

/// What a text such as `1.5MiB` means, in bytes.
fn fraction(text: &str) -> Option<u64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let bytes = number * *length as f64;
    (1.0..1e15).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("10MiB", 10 << 20),
            ("1GiB", 1 << 30),
            ("1KB", 1_000),
            ("2MB", 2_000_000),
            ("3GB", 3_000_000_000),
            ("0B", 0),
        ] {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(parse_limit("unlimited").unwrap(), BodyLimit::Unlimited);
    }

    #[test]
    fn sizes_are_written_in_the_longest_whole_unit() {
        for (bytes, text) in [(0, "0B"), (1000, "1000B"), (65_536, "64KiB"), (3 << 30, "3GiB")] {
            assert_eq!(written(bytes), text);
        }
    }

    #[test]
    fn a_near_miss_is_answered_with_what_was_meant() {
        for (text, hint) in [
            ("10 MiB", "write \"10MiB\""),
            ("10m", "write \"10MiB\""),
            ("10M", "write \"10MiB\""),
            ("64k", "write \"64KiB\""),
            ("10mb", "write \"10MB\""),
            ("65536", "write \"64KiB\""),
            ("1.5MiB", "write \"1536KiB\""),
        ] {
            assert_eq!(parse(text).unwrap_err().hint, hint, "{text}");
        }
        assert_eq!(parse_limit("off").unwrap_err().hint, "write \"unlimited\"");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "B", "-1B", "1TiBs", "18446744073709551615GiB", "99999999999999999999B"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
