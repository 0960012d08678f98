//! Recipients: whose keys open the file.

use std::fmt;
use std::str::FromStr;

/// A public key: `age1...`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(crate) age::x25519::Recipient);

/// The text of `secrets.recipients`, and who is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients {
    text: String,
    all: Vec<Recipient>,
}

/// Why a text has no recipients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientsError {
    /// A line is neither a public key nor a comment.
    #[error("line {line} is no public key: one begins with age1, and a comment with #")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// A private key, which must not be there.
    #[error(
        "line {line} is a private key: put what stands for it in public there, and draw a new key, since this one may be known"
    )]
    Private {
        /// The line, from 1.
        line: usize,
    },
    /// There is nothing but comments.
    #[error("there is no public key: one is a line that begins with age1")]
    None,
}

impl Recipients {
    /// Those in `text`, a line each; what follows a `#` is a comment.
    ///
    /// # Errors
    /// When there is none, or something else.
    pub fn parse(text: impl Into<String>) -> Result<Self, RecipientsError> {
        let text = text.into();
        let mut all = Vec::new();
        for (line, written) in (1..).zip(text.lines()) {
            let written = without_comment(written);
            if written.get(..15).is_some_and(|it| it.eq_ignore_ascii_case("AGE-SECRET-KEY-")) {
                return Err(RecipientsError::Private { line });
            }
            if !written.is_empty() {
                let read = age::x25519::Recipient::from_str(written);
                all.push(Recipient(read.map_err(|_| RecipientsError::Line { line })?));
            }
        }
        if all.is_empty() { Err(RecipientsError::None) } else { Ok(Self { text, all }) }
    }

    /// One, with a comment of whose it is.
    pub fn one(recipient: &Recipient, comment: &str) -> Self {
        let text = format!("{recipient}  # {}\n", comment.replace(['\n', '\r'], " "));
        Self { text, all: vec![recipient.clone()] }
    }

    /// All of them.
    pub fn all(&self) -> &[Recipient] {
        &self.all
    }

    /// Whether this is one.
    pub fn has(&self, recipient: &Recipient) -> bool {
        self.all.contains(recipient)
    }

    /// With `new` where one of `old` was, whose comment it keeps; at the end, where none was.
    #[must_use]
    pub fn with_instead(&self, new: &Recipient, old: &[Recipient]) -> Self {
        let mut text = String::new();
        let mut is_there = false;
        for line in self.text.lines() {
            let written = without_comment(line);
            let is_old = old.iter().any(|old| old.to_string() == written);
            match (is_old, is_there) {
                (true, true) => continue,
                (true, false) => text.push_str(&line.replacen(written, &new.to_string(), 1)),
                (false, _) => text.push_str(line),
            }
            is_there |= is_old;
            text.push('\n');
        }
        if !is_there {
            text.push_str(&format!("{new}\n"));
        }
        let mut all: Vec<_> = self.all.iter().filter(|it| !old.contains(it)).cloned().collect();
        all.push(new.clone());
        Self { text, all }
    }

    /// As a file has them.
    pub fn to_text(&self) -> &str {
        &self.text
    }
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or("").trim()
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one_and_its_comment() {
        let [alice, server, new] = [Key::draw(), Key::draw(), Key::draw()].map(|it| it.recipient());
        let text = format!("# who may read\n{alice} # alice\n\n  {server}   # the server\n");
        let recipients = Recipients::parse(text).unwrap();
        assert!(recipients.has(&server));
        let changed = recipients.with_instead(&new, std::slice::from_ref(&server));
        let expected = format!("# who may read\n{alice} # alice\n\n  {new}   # the server\n");
        assert_eq!(changed.to_text(), expected);
        assert_eq!(Recipients::parse(expected).unwrap().all(), changed.all());
        let added = changed.with_instead(&server, &[]);
        assert!(added.has(&server) && added.has(&new) && added.has(&alice));
        assert_eq!(Recipients::parse(added.to_text()).unwrap().all(), added.all());
        let merged = added.with_instead(&new, &[server.clone(), new.clone()]);
        assert_eq!(Recipients::parse(merged.to_text()).unwrap().all().len(), 2);
        assert!(!merged.has(&server));
    }

    #[test]
    fn what_is_no_public_key_is_said_by_its_line() {
        let recipient = Key::draw().recipient();
        let of = |text: String| Recipients::parse(text).unwrap_err();
        assert_eq!(of(format!("{recipient}\nage1nonsense\n")), RecipientsError::Line { line: 2 });
        assert_eq!(of("# nobody\n".to_owned()), RecipientsError::None);
        let private = crate::Keys::one(Key::draw()).to_text();
        assert_eq!(of(private.to_string()), RecipientsError::Private { line: 2 });
    }
}
