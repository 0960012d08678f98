//! What is said of releases: versions, the steps of a canary (`5% 30s`), what warms an instance up (`GET /`).

use model::{ProbeMethod, Step, WarmUp, is_version};

use super::{duration, path, share, shown};
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
    let method = match method {
        "GET" => ProbeMethod::Get,
        "HEAD" => ProbeMethod::Head,
        _ => return Err(flaw("only GET and HEAD are sure to change nothing")),
    };
    Ok(WarmUp { method, target: path::parse_request_target(target)? })
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
    fn a_version_is_nothing_else() {
        assert_eq!(parse("v1.4.2-rc.1+b7").unwrap(), "v1.4.2-rc.1+b7");
        for wrong in ["", "-x", "../1", "a b", "1;2", "$(x)", ".1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
