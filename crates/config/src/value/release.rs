//! What is said of releases: versions, the steps of a canary (`5% 30s`), what warms an instance up (`GET /`).

use model::{ProbeMethod, Smoke, Step, WarmUp, is_version};

use super::{duration, path, share, shown, status};
use crate::faults::Flaw;

/// The step that a person ends.
const HOLD: &str = "hold";

/// Reads a version. It ends up in commands and paths, so it can be nothing but one.
pub(crate) fn parse(text: &str) -> Result<String, Flaw> {
    match is_version(text) {
        true => Ok(text.to_owned()),
        false => Err(Flaw::invalid(
            format!("\"{}\" is not a version", shown(text)),
            "it begins with a letter, a digit or `_` and continues with letters, digits and \
             `._+~:@-`",
            "write it as in \"1.4.2\" or \"2026-11-21_3\"",
        )),
    }
}

/// Reads a step of a canary.
pub(crate) fn parse_step(text: &str) -> Result<Step, Flaw> {
    if text.trim() == HOLD {
        return Ok(Step::Hold);
    }
    let flaw = |why: &str| {
        let what = format!("\"{}\" is not a step", shown(text));
        Flaw::invalid(what, why, "write a share and a duration, as in \"5% 30s\", or \"hold\"")
    };
    let mut parts = text.split_whitespace();
    let (Some(of), Some(watch), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(flaw("it has not two parts"));
    };
    let (share, watch) = (share::parse(of)?, duration::parse(watch)?);
    match share < 1.0 {
        true => Ok(Step::Shift { share, watch }),
        false => Err(flaw("a step's share is below 100%; the whole comes by itself")),
    }
}

/// Reads a request that warms an instance up.
pub(crate) fn parse_warm_up(text: &str) -> Result<WarmUp, Flaw> {
    let flaw = |why: &str| {
        let what = format!("\"{}\" is not a request that warms up", shown(text));
        Flaw::invalid(what, why, "write a method and a path, as in \"GET /products\"")
    };
    let mut parts = text.split_whitespace();
    let (Some(method), Some(target), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(flaw("it has not two parts"));
    };
    let method = safe_method(method).ok_or_else(|| flaw(UNSAFE))?;
    Ok(WarmUp { method, target: path::parse_request_target(target)? })
}

/// Reads a request that a new release has to respond to as it should.
pub(crate) fn parse_smoke(text: &str) -> Result<Smoke, Flaw> {
    let flaw = |why: &str| {
        let what = format!("\"{}\" is not a smoke request", shown(text));
        let hint = "write a method, a path and the status if it is another than 200-399, as in \"GET /health/deep\" or \"GET /old 301\"";
        Flaw::invalid(what, why, hint)
    };
    let mut parts = text.split_whitespace();
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(flaw("it has not two parts"));
    };
    let (status, None) = (parts.next(), parts.next()) else {
        return Err(flaw("it has more than three parts"));
    };
    let method = safe_method(method).ok_or_else(|| flaw(UNSAFE))?;
    let target = path::parse_request_target(target)?;
    let status = match status {
        None => Vec::new(),
        Some(ranges) => {
            let from = text.len() - text.trim_start().len();
            let at = text.rfind(ranges).unwrap_or(from);
            status::parse_ranges(ranges).map_err(|flaw| flaw.at(at..at + ranges.len()))?
        }
    };
    Ok(Smoke { method, target, status })
}

/// Why a method is refused.
const UNSAFE: &str = "only GET and HEAD are sure to change nothing";

fn safe_method(method: &str) -> Option<ProbeMethod> {
    match method {
        "GET" => Some(ProbeMethod::Get),
        "HEAD" => Some(ProbeMethod::Head),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_step_is_a_share_and_a_time() {
        let step = |share| Step::Shift { share, watch: Duration::from_secs(30) };
        assert_eq!(parse_step("5%  30s").unwrap(), step(0.05));
        assert_eq!(parse_step("0% 30s").unwrap(), step(0.0));
        assert_eq!(parse_step("hold").unwrap(), Step::Hold);
        for wrong in ["5%", "30s 5%", "100% 1m", "5% 30s 1m", "5 30s", "5% 30", "", "hold 5m"] {
            assert!(parse_step(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_warms_up_is_a_method_that_changes_nothing_and_a_path() {
        let asked = parse_warm_up("HEAD  /products?page=1").unwrap();
        assert_eq!(asked.to_string(), "HEAD /products?page=1");
        for wrong in ["", "/", "GET", "POST /", "get /", "GET products", "GET / 200", "GET /a#b"] {
            assert!(parse_warm_up(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_smoke_request_says_what_it_expects_or_expects_the_usual() {
        let usual = parse_smoke("GET  /health/deep").unwrap();
        assert_eq!(usual.to_string(), "GET /health/deep");
        assert_eq!([199, 200, 399, 400].map(|it| usual.accepts(it)), [false, true, true, false]);
        let other = parse_smoke("HEAD /old?a=1 301,410-412").unwrap();
        assert_eq!(other.to_string(), "HEAD /old?a=1 301,410-412");
        assert_eq!([200, 301, 410, 412].map(|it| other.accepts(it)), [false, true, true, true]);
        for wrong in ["", "GET", "POST /", "GET x", "GET / 2xx", "GET / 200 x", "GET / 99"] {
            assert!(parse_smoke(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_version_is_nothing_else() {
        assert_eq!(parse("v1.4.2-rc.1+b7").unwrap(), "v1.4.2-rc.1+b7");
        for wrong in ["", "-x", "../1", "a b", "1;2", "$(x)", ".1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
