//! What is said of one ban, as it is written down and told to other edges: that it holds, or that it was lifted.

use std::fmt::Write as _;
use std::time::Duration;

use policy::bans::{Ban, Banned, TokenDigest};
use serde::{Deserialize, Serialize};

/// What is said of one ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) banned: Banned,
    /// When it was said, since 1970.
    pub(super) said: Duration,
    /// Until when it means anything: the ban is over then.
    pub(super) until: Duration,
    pub(super) meaning: Meaning,
}

/// What a word means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The ban holds.
    Holds {
        /// [`Ban::at`]
        at: Duration,
        reason: Option<String>,
    },
    /// It was lifted.
    Lifted,
}

/// A word as it stands in a line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    banned: Key,
    said: u64,
    until: u64,
    #[serde(flatten)]
    text: Text,
}

/// What is banned, in writing. Digests are hexadecimal; a token itself is never written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    Subject(String),
    TokenId(Option<String>, String),
    Token(String),
    IssuedBefore(Option<String>),
    Address(String),
}

/// What is said of it. Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Text {
    /// Since when tokens count; nothing where the ban was lifted.
    at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Word {
    /// What is said where `ban` is taken up.
    pub(super) fn of(ban: &Ban, said: Duration) -> Self {
        let meaning = Meaning::Holds { at: ban.at, reason: ban.reason.clone() };
        Self { banned: ban.banned.clone(), said, until: ban.until, meaning }
    }

    /// As one line.
    pub(super) fn line(&self) -> String {
        let banned = Key::of(&self.banned);
        let (said, until) = (millis(self.said), millis(self.until));
        let line = Line { banned, said, until, text: Text::of(&self.meaning) };
        serde_json::to_string(&line).expect("texts and numbers can be written as JSON")
    }

    /// The word that a line is.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let Line { banned, said, until, text } = serde_json::from_str(line).ok()?;
        let (said, until) = (Duration::from_millis(said), Duration::from_millis(until));
        Some(Self { banned: banned.read()?, said, until, meaning: text.read() })
    }

    /// For the other edges, at `now`.
    pub(super) fn saying(&self, now: Duration) -> store::Saying {
        store::Saying {
            key: key_of(&self.banned),
            text: serde_json::to_string(&Text::of(&self.meaning))
                .expect("texts and numbers can be written as JSON"),
            remaining: self.until.saturating_sub(now),
            age: now.saturating_sub(self.said),
        }
    }

    /// What another edge has said, heard at `now`; `None` for what this version does not understand.
    pub(super) fn of_said(said: &store::Said, now: Duration) -> Option<Self> {
        let key: Key = serde_json::from_str(&said.key).ok()?;
        let text: Text = serde_json::from_str(&said.text).ok()?;
        Some(Self {
            banned: key.read()?,
            said: now.saturating_sub(said.age),
            until: now.saturating_add(said.remaining),
            meaning: text.read(),
        })
    }
}

/// Under what it is said to other edges.
pub(super) fn key_of(banned: &Banned) -> String {
    serde_json::to_string(&Key::of(banned)).expect("texts can be written as JSON")
}

impl Key {
    fn of(banned: &Banned) -> Self {
        match banned.clone().normal() {
            Banned::Subject(subject) => Self::Subject(subject),
            Banned::TokenId { issuer, id } => Self::TokenId(issuer, id),
            Banned::Token(digest) => Self::Token(hexadecimal(&digest)),
            Banned::IssuedBefore(subject) => Self::IssuedBefore(subject),
            Banned::Address(network) => Self::Address(network.to_string()),
        }
    }

    fn read(self) -> Option<Banned> {
        Some(match self {
            Self::Subject(subject) => Banned::Subject(subject),
            Self::TokenId(issuer, id) => Banned::TokenId { issuer, id },
            Self::Token(digits) => Banned::Token(digest(&digits)?),
            Self::IssuedBefore(subject) => Banned::IssuedBefore(subject),
            Self::Address(network) => Banned::Address(network.parse().ok()?).normal(),
        })
    }
}

impl Text {
    fn of(meaning: &Meaning) -> Self {
        match meaning {
            Meaning::Holds { at, reason } => Self { at: Some(millis(*at)), reason: reason.clone() },
            Meaning::Lifted => Self { at: None, reason: None },
        }
    }

    fn read(self) -> Meaning {
        let Self { at, reason } = self;
        at.map_or(Meaning::Lifted, |at| Meaning::Holds { at: Duration::from_millis(at), reason })
    }
}

/// A digest as people and files have it.
pub(crate) fn hexadecimal(digest: &TokenDigest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The digest that 64 hexadecimal digits are.
pub(crate) fn digest(text: &str) -> Option<TokenDigest> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |pair: &[u8; 2]| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes?.try_into().ok()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A ban of each kind, with what a text may have in it.
    pub(in crate::bans) fn all() -> Vec<Banned> {
        let text = || "a \"b\"\n]é".to_owned();
        vec![
            Banned::Subject(text()),
            Banned::TokenId { issuer: None, id: text() },
            Banned::TokenId { issuer: Some(text()), id: text() },
            Banned::Token([0xa7; 32]),
            Banned::IssuedBefore(None),
            Banned::IssuedBefore(Some(text())),
            Banned::Address("203.0.113.0/24".parse().unwrap()),
            Banned::Address("2001:db8::/32".parse().unwrap()),
        ]
    }

    #[test]
    fn what_is_written_or_said_is_read_again() {
        let second = Duration::from_secs;
        for banned in all() {
            for meaning in [
                Meaning::Holds { at: second(7), reason: Some("why\n".into()) },
                Meaning::Holds { at: second(7), reason: None },
                Meaning::Lifted,
            ] {
                let word =
                    Word { banned: banned.clone(), said: second(8), until: second(99), meaning };
                let line = word.line();
                assert!(!line.contains('\n'), "{line}");
                assert_eq!(Word::of_line(&line).as_ref(), Some(&word), "{line}");
                let said = word.saying(second(10));
                assert_eq!((said.age, said.remaining), (second(2), second(89)));
                assert_eq!(Word::of_said(&said, second(10)), Some(word));
            }
        }
    }

    #[test]
    fn what_no_version_of_us_has_said_is_no_word() {
        for (key, text) in [
            ("", "{\"at\":1}"),
            ("{\"token\":\"abc\"}", "{\"at\":1}"),
            ("{\"address\":\"x\"}", "{\"at\":1}"),
            ("{\"planet\":\"x\"}", "{\"at\":1}"),
            ("{\"subject\":\"x\"}", "[]"),
            ("{\"subject\":\"x\"}", "{\"at\":-1}"),
        ] {
            let (remaining, age) = (Duration::from_secs(1), Duration::ZERO);
            let said = store::Said { key: key.into(), text: text.into(), remaining, age };
            assert_eq!(Word::of_said(&said, Duration::from_secs(9)), None, "{key} {text}");
        }
    }
}
