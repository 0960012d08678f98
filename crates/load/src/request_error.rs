//! Why a request failed.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::workload::Wrong;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection could be opened.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("no whole answer")]
    Exchange(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// There was an answer, but not the right one.
    #[error(transparent)]
    Wrong(#[from] Wrong),
}

impl RequestError {
    /// Why, with every cause, in one line.
    pub(crate) fn why(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Some errors tell their cause themselves.
            if !text.ends_with(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_its_causes() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        assert_eq!(RequestError::Connect(refused).why(), "cannot connect: connection refused");
        assert_eq!(RequestError::Wrong(Wrong("status 502".into())).why(), "status 502");
        let timeout = RequestError::Timeout(Duration::from_millis(1500));
        assert_eq!(timeout.why(), "no answer within 1.5 s");
    }
}
