//! What a retry may follow: `connect`, `reset`, `timeout`, `503`.

use model::RetryCondition;

use super::shown;
use crate::faults::Flaw;

/// Reads a condition.
pub(crate) fn parse(text: &str) -> Result<RetryCondition, Flaw> {
    match text {
        "connect" => Ok(RetryCondition::Connect),
        "reset" => Ok(RetryCondition::Reset),
        "timeout" => Ok(RetryCondition::Timeout),
        _ => match text.parse() {
            Ok(status @ 500..=599) if text.len() == 3 => Ok(RetryCondition::Status(status)),
            Ok(_) => Err(flaw(
                text,
                "only statuses from 500 to 599 say that another instance may do better",
                "name a status such as \"503\"",
            )),
            Err(_) => Err(flaw(text, "no condition has this name", hint(text))),
        },
    }
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is not something that can be retried", shown(text)), why, hint)
}

fn hint(text: &str) -> String {
    match suggest::nearest(text, ["connect", "reset", "timeout"]) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None if text.eq_ignore_ascii_case("5xx") => {
            "name each status, as in \"500\", \"502\", \"503\", \"504\"".to_owned()
        }
        None => "one of \"connect\", \"reset\", \"timeout\" and the statuses \"500\" to \"599\""
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_words_or_statuses() {
        assert_eq!(parse("reset").unwrap(), RetryCondition::Reset);
        assert_eq!(parse("503").unwrap(), RetryCondition::Status(503));
        for text in ["", "404", "600", "0503", "+503", "5xx", "Connect", "resett"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("conect").unwrap_err().hint, "did you mean \"connect\"?");
    }
}
