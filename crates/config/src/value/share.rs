//! Shares: `25%`, `0.5%`.

use super::shown;
use crate::faults::Flaw;

/// Reads a share, as a number from 0 to 1.
pub(crate) fn parse(text: &str) -> Result<f64, Flaw> {
    let number = text.strip_suffix('%').filter(|number| is_decimal(number));
    match number.and_then(|number| number.parse::<f64>().ok()) {
        Some(percent) if percent <= 100.0 => Ok(percent / 100.0),
        Some(_) => Err(flaw(text, "a share is 100% at the most", "write \"100%\" or less")),
        None => Err(misread(text)),
    }
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is not a share", shown(text)), why, hint)
}

fn misread(text: &str) -> Flaw {
    let example = "write a number and a percent sign, as in \"25%\" or \"0.5%\"";
    let joined: String = text.split_whitespace().collect();
    if joined != text && parse(&joined).is_ok() {
        return flaw(text, "number and percent sign stand together", format!("write \"{joined}\""));
    }
    if text.starts_with('-') {
        return flaw(text, "no share is negative", example);
    }
    match text.parse::<f64>() {
        Ok(share) if is_decimal(text) && share <= 1.0 && text.contains('.') => {
            flaw(text, "it has no percent sign", format!("write \"{}%\"", share * 100.0))
        }
        Ok(share) if is_decimal(text) && share <= 100.0 => {
            flaw(text, "it has no percent sign", format!("write \"{text}%\""))
        }
        _ => flaw(text, "it is no number with a percent sign", example),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_become_a_share_of_one() {
        for (text, share) in [("25%", 0.25), ("0.5%", 0.005), ("100%", 1.0), ("0%", 0.0)] {
            assert!((parse(text).unwrap() - share).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused_with_a_hint() {
        for (text, hint) in [
            ("25", "write \"25%\""),
            ("0.25", "write \"25%\""),
            ("25 %", "write \"25%\""),
            ("150%", "write \"100%\" or less"),
        ] {
            assert_eq!(parse(text).unwrap_err().hint, hint, "{text}");
        }
        for text in ["", "%", "-5%", "NaN%", "inf%", "1e1%", ".5%", "5.%"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
