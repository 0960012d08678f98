//! Keys: what opens the file.

use std::fmt;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::recipients::Recipient;

/// A private key: `AGE-SECRET-KEY-1...`.
#[derive(Clone)]
pub struct Key(pub(crate) age::x25519::Identity);

/// The keys of one place, the one that is used to make others first: after a rotation that broke off there are two.
#[derive(Clone, Debug)]
pub struct Keys(pub(crate) Vec<Key>);

/// Why a text has no key. What stands there is not said: it may be a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A line is neither a key nor a comment.
    #[error("line {line} is no key: one begins with AGE-SECRET-KEY-1")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// There is nothing but comments.
    #[error("there is no key: one is a line that begins with AGE-SECRET-KEY-1")]
    None,
}

impl Key {
    /// A new one.
    pub fn draw() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// What is encrypted for this key.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// As it is written into a file.
    fn line(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }
}

impl Keys {
    /// The keys in `text`: a line each, as `age-keygen` writes them, with empty lines and comments between them.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if !text.is_empty() && !text.starts_with('#') {
                let key = age::x25519::Identity::from_str(text);
                keys.push(Key(key.map_err(|_| KeyError::Line { line })?));
            }
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    /// One key alone.
    pub fn one(key: Key) -> Self {
        Self(vec![key])
    }

    /// These, with `key` before them.
    #[must_use]
    pub fn with_first(mut self, key: Key) -> Self {
        self.0.insert(0, key);
        self
    }

    /// What is encrypted for the first.
    pub fn own(&self) -> Recipient {
        self.0.first().expect("there is one at least").recipient()
    }

    /// What is encrypted for them, the first one's first.
    pub fn recipients(&self) -> impl Iterator<Item = Recipient> {
        self.0.iter().map(Key::recipient)
    }

    /// As a file has them, each below what is encrypted for it.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for key in &self.0 {
            text.push_str(&format!("# public key: {}\n", key.recipient()));
            text.push_str(&key.line());
            text.push('\n');
        }
        text
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.recipient())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let (first, second) = (Key::draw(), Key::draw());
        let keys = Keys::one(second.clone()).with_first(first.clone());
        let read = Keys::parse(&format!("# of a server\n\n{}", *keys.to_text())).unwrap();
        let recipients: Vec<_> = read.recipients().collect();
        assert_eq!(recipients, [first.recipient(), second.recipient()]);
    }

    #[test]
    fn what_is_no_key_is_said_by_its_line_and_never_shown() {
        let key = Key::draw().line().replace('Q', "P");
        let text = format!("# a comment\n{}x\n", key);
        let error = Keys::parse(&text).unwrap_err();
        assert_eq!(error, KeyError::Line { line: 2 });
        assert!(!error.to_string().contains(&key[20..30]));
        assert_eq!(Keys::parse("# nothing\n").unwrap_err(), KeyError::None);
        assert!(!format!("{:?}", Keys::one(Key::draw())).contains("SECRET"));
    }
}
