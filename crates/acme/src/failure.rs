//! What goes wrong with a CA, and whom it concerns.

use std::time::Duration;

use certificates::{Failed, FailureKind};
use instant_acme::{Error, Problem};

/// Why a CA did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not know the account any longer: another one has to be opened.
    #[error("the CA does not know the account: {0}")]
    NoAccount(String),
    /// The order failed.
    #[error("{}", .0.problem)]
    Failed(Failed),
}

/// What is longer of a CA's words is cut.
const PROBLEM_MAX: usize = 1_000;

impl Refused {
    pub(crate) fn new(kind: FailureKind, problem: impl Into<String>) -> Self {
        Self::Failed(Failed { kind, retry_after: None, problem: shown(&problem.into()) })
    }

    /// What `error` means, of which the CA asked to be left alone for so long.
    pub(crate) fn of(error: Error, retry_after: Option<Duration>) -> Self {
        let (kind, problem) = match &error {
            Error::Api(problem) => {
                if word(problem) == "accountDoesNotExist" {
                    return Self::NoAccount(told(problem));
                }
                (kind(problem), told(problem))
            }
            Error::Json(_) => (FailureKind::Unreachable, "what the CA says is no ACME".to_owned()),
            Error::Timeout(_) => {
                (FailureKind::Unreachable, "the CA is not done with the order in time".to_owned())
            }
            Error::Other(source) => (FailureKind::Unreachable, chain(&**source)),
            Error::Unsupported(_) => (FailureKind::Refused, error.to_string()),
            _ => (FailureKind::Unreachable, chain(&error)),
        };
        Self::Failed(Failed { kind, retry_after, problem: shown(&problem) })
    }
}

/// Whom a problem concerns (RFC 8555 section 6.7).
pub(crate) fn kind(problem: &Problem) -> FailureKind {
    match word(problem) {
        "rateLimited" => FailureKind::RateLimited,
        "alreadyReplaced" => FailureKind::AlreadyReplaced,
        "serverInternal" | "badNonce" => FailureKind::Unreachable,
        _ if problem.status.is_some_and(|it| it >= 500) => FailureKind::Unreachable,
        _ if problem.status == Some(429) => FailureKind::RateLimited,
        _ => FailureKind::Refused,
    }
}

/// The last part of its type.
fn word(problem: &Problem) -> &str {
    problem
        .r#type
        .as_deref()
        .and_then(|it| it.strip_prefix("urn:ietf:params:acme:error:"))
        .unwrap_or_default()
}

/// A problem in the CA's words.
pub(crate) fn told(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| "it says nothing more".to_owned());
    let word = word(problem);
    if !word.is_empty() {
        text = format!("{text} ({word})");
    }
    for it in &problem.subproblems {
        if let Some(detail) = &it.detail {
            text.push_str("; ");
            text.push_str(detail);
        }
    }
    text
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// In one line, without control characters, and not too long: a stranger has written it.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(PROBLEM_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).expect("it is a problem")
    }

    #[test]
    fn a_problem_concerns_whom_its_type_says() {
        let acme = |word: &str| {
            problem(&format!(r#"{{"type":"urn:ietf:params:acme:error:{word}","detail":"d"}}"#))
        };
        for (word, expected) in [
            ("rateLimited", FailureKind::RateLimited),
            ("alreadyReplaced", FailureKind::AlreadyReplaced),
            ("serverInternal", FailureKind::Unreachable),
            ("rejectedIdentifier", FailureKind::Refused),
            ("caa", FailureKind::Refused),
        ] {
            assert_eq!(kind(&acme(word)), expected, "{word}");
        }
        assert_eq!(kind(&problem(r#"{"status":503}"#)), FailureKind::Unreachable);
        assert_eq!(kind(&problem(r#"{"status":429}"#)), FailureKind::RateLimited);
        let gone = Refused::of(Error::Api(acme("accountDoesNotExist")), None);
        assert!(matches!(gone, Refused::NoAccount(_)));
    }

    #[test]
    fn a_stranger_s_words_are_one_line_and_not_too_long() {
        let long = format!("a\u{1b}[31m\n{}", "b".repeat(5_000));
        let Refused::Failed(failed) = Refused::new(FailureKind::Own, long) else { panic!() };
        assert!(failed.problem.starts_with("a [31m b") && failed.problem.len() == PROBLEM_MAX);
    }
}
