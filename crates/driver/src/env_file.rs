//! An `env_file`: `NAME=value`, a line each, in the common core of the dotenv dialects.
//!
//! Where dialects differ, what one of them would read otherwise is refused instead of guessed at.
//! Nothing is ever expanded: a `$` is a `$`. A fault names the line and why, never what stands
//! there: it may be a secret.
//!
//! | written | read as |
//! | --- | --- |
//! | `# comment`, an empty line | nothing |
//! | `export NAME=value` | the same without `export` |
//! | `NAME=some words # comment` | `some words` |
//! | `NAME='as it is # $x'` | all between the quotes, over several lines too |
//! | `NAME="line\nline"` | with `\n \r \t \" \\ \$` read, over several lines too |

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::environment::Value;

/// No more of an `env_file` is read, in bytes: what it sets goes through `execve`, which takes far less.
const BYTES_MAX: u64 = 1 << 20;

/// What an `env_file` sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvFile(BTreeMap<String, Value>);

/// A line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: Why,
}

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// There is no `=`.
    #[error("no `=` after the name")]
    NoEquals,
    /// The name is none.
    #[error(
        "a name begins with a letter or `_` and continues with letters, digits, `_`, `.` and `-`"
    )]
    Name,
    /// The name was set before.
    #[error("this name is set already in line {0}")]
    Twice(usize),
    /// The quote is never closed.
    #[error("the quote that begins here is never closed")]
    Unclosed,
    /// Something follows the closing quote.
    #[error("something follows the closing quote")]
    AfterQuote,
    /// A quote within a bare value.
    #[error("a quote within a value that is not quoted: quote all of it")]
    Quote,
    /// A backslash with something that it does not go with.
    #[error(r#"within "…" a backslash goes with n, r, t, ", \ or $ only"#)]
    Escape,
    /// A NUL.
    #[error("an environment cannot contain a NUL character")]
    Nul,
}

/// Why an `env_file` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It cannot be opened or read, is no regular file, is longer than 1 MiB, or is not UTF-8.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be understood.
    #[error("{}: {}", path.display(), listed(faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        faults: Vec<Fault>,
    },
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// The text of a regular file: a release may bring its `env_file`, and a FIFO would be waited for, a device read for ever.
fn text_of(path: &Path) -> io::Result<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl EnvFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or has faults: all of them.
    pub fn read(path: &Path) -> Result<Self, EnvFileError> {
        let text =
            text_of(path).map_err(|source| EnvFileError::Read { path: path.into(), source })?;
        Self::parse(&text).map_err(|faults| EnvFileError::Faults { path: path.into(), faults })
    }

    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// All faults.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader { rest: text.trim_start_matches('\u{feff}'), line: 1 };
        let (mut set, mut faults) = (BTreeMap::new(), Vec::new());
        while !reader.rest.is_empty() {
            let line = reader.line;
            match reader.entry() {
                Ok(None) => {}
                Ok(Some((name, value))) => match set.get(&name) {
                    Some((first, _)) => faults.push(Fault { line, why: Why::Twice(*first) }),
                    None => drop(set.insert(name, (line, Value(value)))),
                },
                Err(fault) => {
                    faults.push(fault);
                    reader.skip_line();
                }
            }
        }
        match faults.is_empty() {
            true => Ok(Self(set.into_iter().map(|(name, (_, value))| (name, value)).collect())),
            false => Err(faults),
        }
    }

    /// What it sets, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }
}

/// Reads forward and counts lines.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Takes a line with its end, or a quoted value's lines.
    fn entry(&mut self) -> Result<Option<(String, String)>, Fault> {
        self.skip_blanks();
        if self.at_line_end() {
            self.skip_line();
            return Ok(None);
        }
        let name = self.name()?;
        self.skip_blanks();
        let value = match self.rest.chars().next() {
            Some('\'') => self.single_quoted()?,
            Some('"') => self.double_quoted()?,
            _ => self.bare()?,
        };
        self.skip_line();
        match value.contains('\0') {
            true => Err(Fault { line: self.line - 1, why: Why::Nul }),
            false => Ok(Some((name, value))),
        }
    }

    fn name(&mut self) -> Result<String, Fault> {
        let line = self.rest.lines().next().unwrap_or_default();
        let (name, _) = line.split_once('=').ok_or(self.fault(Why::NoEquals))?;
        self.rest = &self.rest[name.len() + 1..];
        let name = name.trim_end();
        let name = match name.strip_prefix("export") {
            Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
            _ => name,
        };
        let goes_on = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        match name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(goes_on)
        {
            true => Ok(name.to_owned()),
            false => Err(self.fault(Why::Name)),
        }
    }

    fn bare(&mut self) -> Result<String, Fault> {
        let line = self.rest.lines().next().unwrap_or_default();
        let is_comment = |&at: &usize| at == 0 || line[..at].ends_with([' ', '\t']);
        let end = line.match_indices('#').map(|(at, _)| at).find(is_comment);
        let value = line[..end.unwrap_or(line.len())].trim_end();
        if value.contains(['"', '\'']) {
            return Err(self.fault(Why::Quote));
        }
        self.rest = &self.rest[value.len()..];
        Ok(value.to_owned())
    }

    fn single_quoted(&mut self) -> Result<String, Fault> {
        let inner = &self.rest[1..];
        let end = inner.find('\'').ok_or(self.fault(Why::Unclosed))?;
        let value = &inner[..end];
        self.after_quote(value, &inner[end + 1..])?;
        Ok(value.to_owned())
    }

    fn double_quoted(&mut self) -> Result<String, Fault> {
        let inner = &self.rest[1..];
        let mut value = String::new();
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.after_quote(&inner[..at], &inner[at + 1..])?;
                    return Ok(value);
                }
                '\\' => match chars.next().and_then(|(_, c)| escaped(c)) {
                    Some(c) => value.push(c),
                    None => {
                        self.line += inner[..at].matches('\n').count();
                        self.rest = &inner[at..];
                        return Err(self.fault(Why::Escape));
                    }
                },
                c => value.push(c),
            }
        }
        Err(self.fault(Why::Unclosed))
    }

    /// Goes on behind a quoted value, where nothing but a comment may follow.
    fn after_quote(&mut self, quoted: &str, rest: &'a str) -> Result<(), Fault> {
        self.line += quoted.matches('\n').count();
        self.rest = rest;
        self.skip_blanks();
        match self.at_line_end() {
            true => Ok(()),
            false => Err(self.fault(Why::AfterQuote)),
        }
    }

    fn at_line_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(['\r', '\n', '#'])
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn skip_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line += 1;
    }

    fn fault(&self, why: Why) -> Fault {
        Fault { line: self.line, why }
    }
}

fn escaped(c: char) -> Option<char> {
    match c {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '"' | '\\' | '$' => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let file = EnvFile::parse(text).unwrap();
        file.entries().map(|(name, value)| (name.clone(), value.0.clone())).collect()
    }

    #[test]
    fn neither_a_fifo_nor_a_device_nor_a_file_without_end_is_read() {
        let room = tempfile::tempdir().unwrap();
        let fifo = room.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let long = room.path().join("long");
        File::create(&long).unwrap().set_len(BYTES_MAX + 1).unwrap();
        for (path, why) in [
            (fifo.as_path(), "not a regular file"),
            (Path::new("/dev/zero"), "not a regular file"),
            (long.as_path(), "longer than 1 MiB"),
        ] {
            let error = EnvFile::read(path).unwrap_err();
            let EnvFileError::Read { source, .. } = error else { panic!("{error}") };
            assert_eq!(source.to_string(), why, "{}", path.display());
        }
    }

    fn faults(text: &str) -> Vec<(usize, Why)> {
        EnvFile::parse(text).unwrap_err().into_iter().map(|fault| (fault.line, fault.why)).collect()
    }

    #[test]
    fn every_way_to_write_a_value_is_read() {
        let text = "\u{feff}# all kinds\r\n\r\nA=plain\r\n  export B = two words # said\n\
                    C='as # it $is\\n'\nD=\"tab\\there \\\"q\\\" \\$x\" # said\nE=\nF=a#b\nG=\"\"\n\
                    H='two\nlines'\nI=\"two\nlines\\nthree\"\nspring.port-x=1=2";
        let expected = [
            ("A", "plain"),
            ("B", "two words"),
            ("C", "as # it $is\\n"),
            ("D", "tab\there \"q\" $x"),
            ("E", ""),
            ("F", "a#b"),
            ("G", ""),
            ("H", "two\nlines"),
            ("I", "two\nlines\nthree"),
            ("spring.port-x", "1=2"),
        ];
        assert_eq!(read(text), expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "GOOD=1\nno equals\n1A=x\nGOOD=2\nB='x' y\nC=a\"b\"\nD=\"\\q\"\nE=\"a\n\\z\"\nF=1\n\
                    G=\"open\n";
        assert_eq!(
            faults(text),
            [
                (2, Why::NoEquals),
                (3, Why::Name),
                (4, Why::Twice(1)),
                (5, Why::AfterQuote),
                (6, Why::Quote),
                (7, Why::Escape),
                (9, Why::Escape),
                (11, Why::Unclosed),
            ]
        );
    }

    #[test]
    fn a_fault_shows_nothing_of_the_line() {
        for text in ["topsecret", "A='topsecret", "A=\"topsecret\\q\"", "A=top\"secret"] {
            let faults = EnvFile::parse(text).unwrap_err();
            let told = EnvFileError::Faults { path: "x".into(), faults };
            assert!(!format!("{told} {told:?}").contains("secret"), "{told}");
        }
    }

    #[test]
    fn nothing_makes_it_panic() {
        let pieces = ["A", "=", "'", "\"", "\\", "\n", "\r", "#", " ", "é", "export ", "\0", "n"];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let length = random.usize(..12);
            let text: String = (0..length).map(|_| pieces[random.usize(..pieces.len())]).collect();
            let _ = EnvFile::parse(&text);
        }
    }
}
