//! What is encrypted: names and their secrets, as a text of TOML that a person can edit.

use std::collections::BTreeMap;
use std::fmt;

use model::Secret;
use toml_edit::{DocumentMut, Item, Value};
use zeroize::Zeroizing;

/// What a new file begins with.
const BEGINNING: &str = "\
# A line each: NAME = \"value\". A text of several lines stands between ''' and '''.
# A service gets those that its `secrets` name; keys of the configuration that end in _env find theirs here, too.
";

/// The text of a file, and the secrets in it. Its `Debug` shows the names only.
#[derive(Clone)]
pub struct Plain {
    document: DocumentMut,
    secrets: BTreeMap<String, Secret>,
}

/// Why a text is no file of secrets. What stands there is not said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// It is not TOML.
    #[error("line {line} is not TOML: a secret is written NAME = \"value\"")]
    Syntax {
        /// The line, from 1.
        line: usize,
    },
    /// A name that no variable can have.
    #[error("line {line}: {source}")]
    Name {
        /// The line, from 1.
        line: usize,
        /// Why.
        source: NameError,
    },
    /// A value that is not a text.
    #[error("line {line}: `{name}` is not a text: put it between quotes")]
    NoText {
        /// The line, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A value that no variable can have.
    #[error("`{name}` has a NUL character, which an environment cannot hold")]
    Nul {
        /// The name.
        name: String,
    },
}

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has letters, digits and `_`, and does not begin with a digit")]
pub struct NameError;

/// Whether a variable of an environment can be called so.
///
/// # Errors
/// When it cannot.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if begins && name.bytes().all(is_word) { Ok(()) } else { Err(NameError) }
}

impl Plain {
    /// What a new file has: how to write one, and no secret.
    pub fn empty() -> Self {
        let document = BEGINNING.parse().unwrap_or_default();
        Self { document, secrets: BTreeMap::new() }
    }

    /// What `text` says.
    ///
    /// # Errors
    /// When it is not TOML, or something in it is no secret.
    pub fn parse(text: &str) -> Result<Self, PlainError> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|it| *it == b'\n').count();
        let read = toml_edit::Document::parse(text);
        let read = read.map_err(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            PlainError::Syntax { line: line(at) }
        })?;
        let mut secrets = BTreeMap::new();
        for (name, item) in read.iter() {
            let at = read.key(name).and_then(toml_edit::Key::span).or(item.span());
            let line = line(at.map_or(0, |span| span.start));
            check_name(name).map_err(|source| PlainError::Name { line, source })?;
            let Item::Value(Value::String(value)) = item else {
                return Err(PlainError::NoText { line, name: name.to_owned() });
            };
            let value = value.value();
            if value.contains('\0') {
                return Err(PlainError::Nul { name: name.to_owned() });
            }
            secrets.insert(name.to_owned(), Secret::new(value.as_bytes()));
        }
        Ok(Self { document: read.into_mut(), secrets })
    }

    /// The secrets by their names.
    pub fn secrets(&self) -> &BTreeMap<String, Secret> {
        &self.secrets
    }

    /// Gives `name` this value. What else is in the text stays, its comments, too.
    ///
    /// # Errors
    /// When a variable cannot be called so, or cannot hold it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), PlainError> {
        let line = 1 + self.document.iter().count();
        check_name(name).map_err(|source| PlainError::Name { line, source })?;
        if value.contains('\0') {
            return Err(PlainError::Nul { name: name.to_owned() });
        }
        let mut with = self.document.clone();
        with[name] = toml_edit::value(value);
        if self.document.is_empty() {
            // It has only comments, which would come behind its first secret.
            let mut first = DocumentMut::new();
            first[name] = toml_edit::value(value);
            with = format!("{}{first}", self.document).parse().unwrap_or(with);
        }
        self.document = with;
        self.secrets.insert(name.to_owned(), Secret::new(value.as_bytes()));
        Ok(())
    }

    /// As it is encrypted.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.document.to_string())
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.secrets.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_set_leaves_the_rest_as_it_was() {
        let text = "# the database\nDB = 'a' # old\n\nKEY = '''\nline\nline\n'''\n";
        let mut plain = Plain::parse(text).unwrap();
        assert_eq!(plain.secrets()["KEY"].expose(), b"line\nline\n");
        plain.set("DB", "quote \" and\nline").unwrap();
        plain.set("NEW", "x").unwrap();
        let written = plain.to_text();
        assert!(written.starts_with("# the database\nDB = "), "{}", *written);
        let read = Plain::parse(&written).unwrap();
        assert_eq!(read.secrets(), plain.secrets());
        assert_eq!(read.secrets()["DB"].expose(), b"quote \" and\nline");
        assert_eq!(read.secrets()["KEY"].expose(), b"line\nline\n");
        assert_eq!(read.secrets()["NEW"].expose(), b"x");
    }

    #[test]
    fn a_new_file_says_how_it_is_written() {
        let mut plain = Plain::empty();
        assert!(plain.secrets().is_empty());
        plain.set("A", "b").unwrap();
        let text = plain.to_text();
        assert!(text.starts_with("# A line each") && text.ends_with("A = \"b\"\n"), "{}", *text);
        assert_eq!(Plain::parse(&text).unwrap().secrets(), plain.secrets());
    }

    #[test]
    fn faults_have_their_line_and_no_secret() {
        let of = |text: &str| Plain::parse(text).unwrap_err().to_string();
        assert!(of("A = 'b'\nhunter2\n").starts_with("line 2 is not TOML"));
        assert!(of("\nA = 'b'\n1X = 'c'\n").starts_with("line 3: a name has letters"));
        assert_eq!(
            of("A = 'b'\nPORT = 5432\n"),
            "line 2: `PORT` is not a text: put it between quotes"
        );
        assert_eq!(
            of("[db]\nPASSWORD = 'x'\n"),
            "line 1: `db` is not a text: put it between quotes"
        );
        assert!(of("A = \"\\u0000\"").contains("NUL"));
        assert!(of("A = 'x'\nA = 'y'").starts_with("line 2"));
        for text in ["A = 'hunter2", "hunter2", "A = hunter2", "A = ['hunter2']"] {
            assert!(!of(text).contains("hunter2"), "{}", of(text));
        }
        assert!(!format!("{:?}", Plain::parse("A = 'hunter2'").unwrap()).contains("hunter2"));
    }
}
