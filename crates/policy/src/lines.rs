//! Lists of names in a file: on each line a name, a colon, and what is known of it.

use crate::password::HashError;

/// A line that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// Its number; the first is 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: LineError,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no name and something behind a colon.
    #[error("there is no name before a colon")]
    Nameless,
    /// A name that no request can say, or nobody can see.
    #[error("a name has no control characters")]
    Name,
    /// The name has a line already.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// What stands behind the name is no digest.
    #[error("what stands behind the name is no SHA-256: it has 64 hexadecimal digits")]
    Digest,
    /// Two names have it.
    #[error("`{0}` and `{1}` have the same key")]
    SameKey(String, String),
    /// Its hash is not taken.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// A line.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// What stands behind the first colon.
    pub(crate) rest: &'a str,
}

/// Reads each line of `text` into `all`. Empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// Every line that is not taken.
pub(crate) fn read<T>(
    text: &str,
    mut all: T,
    mut take: impl FnMut(&mut T, Entry<'_>) -> Result<(), LineError>,
) -> Result<T, Vec<LineFault>> {
    let mut faults = Vec::new();
    for (line, text) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        let text = text.trim_end();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Err(error) = split(text).and_then(|entry| take(&mut all, entry)) {
            faults.push(LineFault { line, error });
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

fn split(line: &str) -> Result<Entry<'_>, LineError> {
    match line.split_once(':') {
        None | Some(("", _)) => Err(LineError::Nameless),
        Some((name, _)) if name.chars().any(char::is_control) => Err(LineError::Name),
        Some((name, rest)) => Ok(Entry { name, rest }),
    }
}
