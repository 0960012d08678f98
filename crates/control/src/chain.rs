//! An error with its causes, in one line, for all who tell of one: the log, the API, the command line.

use std::error::Error;

/// An error with everything that caused it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors tell their cause themselves.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn a_chain_tells_every_cause_once() {
        let inner = Layer("connection refused", None);
        let middle = Layer("cannot ask: connection refused", Some(Box::new(inner)));
        let outer = Layer("no answer", Some(Box::new(middle)));
        assert_eq!(chain(&outer), "no answer: cannot ask: connection refused");
    }
}
