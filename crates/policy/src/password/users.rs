//! A file of users, as `htpasswd` writes it: a name, a colon and a hash on each line.

use std::collections::BTreeMap;

use super::hash::Hash;
use crate::lines::{self, Entry, LineError, LineFault};

/// Who may come in, and by which password each.
#[derive(Clone, Debug, Default)]
pub struct Users {
    by_name: BTreeMap<Box<str>, Hash>,
    /// What the password of a stranger is held against, so that it takes as long.
    decoy: Option<Hash>,
}

impl Users {
    /// Reads a file. Empty lines and those that begin with `#` say nothing; what follows a second colon is a comment.
    ///
    /// # Errors
    /// Every line that is not taken.
    pub fn parse(text: &str) -> Result<Self, Vec<LineFault>> {
        lines::read(text, Self::default(), |users, Entry { name, rest }| {
            let hash = Hash::parse(rest.split(':').next().unwrap_or_default())?;
            users.decoy.get_or_insert_with(|| hash.clone());
            match users.by_name.insert(name.into(), hash) {
                None => Ok(()),
                Some(_) => Err(LineError::Twice(name.to_owned())),
            }
        })
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Whether `name` may come in by `password`. Takes its time, also for a name that is not there.
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        match (self.by_name.get(name), &self.decoy) {
            (Some(hash), _) => hash.verify(password),
            (None, Some(decoy)) => {
                decoy.verify(password);
                false
            }
            (None, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "$2b$04$abcdefghijklmnopqrstuuwHJMEGjfAzmL1lWmUmlphguIbWfjYey";

    #[test]
    fn a_file_of_htpasswd_is_read() {
        let text = format!(
            "\u{feff}# staff\r\nalice:{HELLO}\r\n\r\n홍:{HELLO}:a comment\nb b:{HELLO}   \n"
        );
        let users = Users::parse(&text).unwrap();
        for name in ["alice", "홍", "b b"] {
            assert!(users.verify(name, b"hello") && !users.verify(name, b"hell"), "{name}");
        }
        for name in ["", "Alice", "alice ", "# staff", "nobody"] {
            assert!(!users.verify(name, b"hello"), "{name}: the decoy's password is nobody's");
        }
        let nobody = Users::parse("# all gone\n").unwrap();
        assert!(nobody.is_empty() && !nobody.verify("alice", b"hello"));
    }

    #[test]
    fn every_line_that_is_not_taken_is_told() {
        let text = format!(
            "alice\n:{HELLO}\nbob:$apr1$a$b\n\nok:{HELLO}\nok:{HELLO}\na\u{7}b:{HELLO}\nplain:secret"
        );
        let faults = Users::parse(&text).unwrap_err();
        let told: Vec<_> = faults.iter().map(|it| (it.line, it.error.to_string())).collect();
        let lines: Vec<usize> = told.iter().map(|it| it.0).collect();
        assert_eq!(lines, [1, 2, 3, 6, 7, 8], "{told:?}");
        assert!(told[2].1.contains("$apr1$"), "{told:?}");
        assert_eq!(told[3].1, "`ok` is there twice");
        // Of a hash, or a password that stands in its place, nothing is told.
        assert!(told.iter().all(|it| !it.1.contains("secret")), "{told:?}");
    }
}
