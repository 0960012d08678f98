//! What is written on records and turns.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acme::{Answer, Challenge};
use serde::{Deserialize, Serialize};

/// What a CA looks for, as one edge has posted it for all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Shown {
    /// Who has posted it.
    pub(super) edge: String,
    name: String,
    answer: ShownAnswer,
    /// The CA has looked.
    pub(super) is_over: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShownAnswer {
    Http01 { token: String, body: String },
    TlsAlpn01 { digest: [u8; 32] },
}

impl Shown {
    /// `None` for what is to be in the DNS, where all find it.
    pub(super) fn new(challenge: &Challenge, edge: &str) -> Option<Self> {
        let answer = match &challenge.answer {
            Answer::Http01 { token, body } => {
                ShownAnswer::Http01 { token: token.clone(), body: body.clone() }
            }
            Answer::TlsAlpn01 { digest } => ShownAnswer::TlsAlpn01 { digest: *digest },
            Answer::Dns01 { .. } => return None,
        };
        let (edge, name) = (edge.to_owned(), challenge.name.clone());
        Some(Self { edge, name, answer, is_over: false })
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> String {
        match &self.answer {
            ShownAnswer::Http01 { token, .. } => format!("http-01/{token}"),
            ShownAnswer::TlsAlpn01 { .. } => format!("tls-alpn-01/{}", self.name),
        }
    }

    pub(super) fn challenge(&self) -> Challenge {
        let answer = match self.answer.clone() {
            ShownAnswer::Http01 { token, body } => Answer::Http01 { token, body },
            ShownAnswer::TlsAlpn01 { digest } => Answer::TlsAlpn01 { digest },
        };
        Challenge { name: self.name.clone(), answer }
    }
}

/// What the edge whose turn it is tells of orders that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Told {
    /// Since when, in seconds since 1970.
    pub(in super::super) since: u64,
    pub(in super::super) times: u32,
    pub(in super::super) directory: String,
    pub(in super::super) problem: String,
}

impl Told {
    /// As it was written; `None` where nothing fails, or another version has written it.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Since when orders fail.
    pub(in super::super) fn since(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.since)).unwrap_or(UNIX_EPOCH)
    }
}

/// The seconds from 1970 to `moment`.
pub(in super::super) fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_says_the_same_to_who_reads_it() {
        let name = "shop.example.com".to_owned();
        let http = Answer::Http01 { token: "t".into(), body: "t.thumb".into() };
        for (answer, key) in [
            (http, "http-01/t"),
            (Answer::TlsAlpn01 { digest: [7; 32] }, "tls-alpn-01/shop.example.com"),
        ] {
            let challenge = Challenge { name: name.clone(), answer };
            let shown = Shown::new(&challenge, "one").unwrap();
            let text = serde_json::to_string(&shown).unwrap();
            let read: Shown = serde_json::from_str(&text).unwrap();
            assert_eq!((read.challenge(), &*read.key(), read.is_over), (challenge, key, false));
        }
        let dns = Challenge { name, answer: Answer::Dns01 { value: "v".into() } };
        assert!(Shown::new(&dns, "one").is_none());
        assert_eq!(Told::read(""), None);
    }
}
