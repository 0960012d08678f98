//! Patterns of file names: `*` is any part of a name, `?` one character of it. A name that begins
//! with a dot is meant only by a pattern that does, and nothing goes over a `/`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// How many directories one pattern may lead into.
const DIRECTORIES_MAX: usize = 1_000;

/// A pattern, in its parts.
#[derive(Debug)]
pub(super) struct Pattern<'a> {
    parts: Vec<&'a str>,
    is_absolute: bool,
}

impl<'a> Pattern<'a> {
    /// Reads `text`.
    ///
    /// # Errors
    /// What it means that we do not know, and what to write.
    pub(super) fn parse(text: &'a str) -> Result<Self, (&'static str, &'static str)> {
        if text.is_empty() {
            return Err((
                "it is empty",
                "write the path of a file, or a pattern such as \"routes/*.toml\"",
            ));
        }
        if text.contains('\0') {
            return Err(("a path has no NUL", "leave it out"));
        }
        if text.contains("**") {
            return Err((
                "`**` leads into no directories",
                "write a `*` for each directory, as in \"*/*.toml\"",
            ));
        }
        if text.contains(['[', ']', '{', '}', '\\']) {
            return Err((
                "`*` and `?` are all that stands for others",
                "write several patterns, or rename the file",
            ));
        }
        if text == "~" || text.starts_with("~/") {
            return Err(("`~` is only known to shells", "write the path in full"));
        }
        let parts: Vec<&str> =
            text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if matches!(parts.last(), None | Some(&"..")) || text.ends_with('/') || text.ends_with("/.")
        {
            return Err(("it names a directory", "name the files in it, as in \"routes/*.toml\""));
        }
        Ok(Self { parts, is_absolute: text.starts_with('/') })
    }

    /// Whether it may be none or several files.
    pub(super) fn is_wild(&self) -> bool {
        self.parts.iter().any(|part| is_wild(part))
    }

    /// The files that it is, below `dir`, sorted. Without a wildcard it is one, there or not.
    pub(super) fn files(&self, dir: &Path, environment: &Environment) -> io::Result<Vec<PathBuf>> {
        let start = if self.is_absolute { PathBuf::from("/") } else { dir.to_owned() };
        let mut found = vec![start];
        for part in &self.parts {
            if !is_wild(part) {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            if found.len() > DIRECTORIES_MAX {
                let what = format!("it leads into more than {DIRECTORIES_MAX} directories");
                return Err(io::Error::other(what));
            }
            let mut next = Vec::new();
            for path in found {
                let names = match (environment.list)(&path) {
                    Ok(names) => names,
                    // What is not there has nothing in it.
                    Err(error) if is_absence(&error) => continue,
                    Err(error) => return Err(error),
                };
                let fits = names.into_iter().filter(|name| matches(part, name));
                next.extend(fits.map(|name| path.join(name)));
            }
            found = next;
        }
        found.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
        Ok(found)
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?'])
}

/// Whether `name` is one of those that `part` stands for.
fn matches(part: &str, name: &OsStr) -> bool {
    let (part, name) = (part.as_bytes(), name.as_bytes());
    if name.starts_with(b".") && !part.starts_with(b".") {
        return false;
    }
    // Where a star took too little it is taken up again: only the last one, so this ends.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match part.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += character(&name[n..]);
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    part[p..].iter().all(|byte| *byte == b'*')
}

/// How many bytes the first character of `name` has; one where it is none.
fn character(name: &[u8]) -> usize {
    let longest = name.len().min(4);
    (1..=longest).find(|length| std::str::from_utf8(&name[..*length]).is_ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn a_star_is_any_part_of_a_name_and_a_question_mark_one_character() {
        for (part, name, fits) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", false),
            ("*.toml", ".a.toml", false),
            (".*.toml", ".a.toml", true),
            ("*.toml", "a.toml~", false),
            ("*.toml", "a.toml.toml", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("?.toml", "ä.toml", true),
            ("?.toml", "ab.toml", false),
            ("*", "x", true),
            ("**", "", true),
            ("a?", "a", false),
        ] {
            assert_eq!(matches(part, OsStr::new(name)), fits, "{part} {name}");
        }
        assert!(matches("*.toml", OsStr::from_bytes(b"\xff.toml")));
        assert!(matches("?.toml", OsStr::from_bytes(b"\xff.toml")));
    }

    #[test]
    fn a_hostile_name_costs_no_more_than_its_length_times_that_of_the_pattern() {
        let name = "a".repeat(10_000);
        assert!(!matches(&format!("{}b", "a*".repeat(200)), OsStr::new(&name)));
    }

    #[test]
    fn files_come_sorted_and_directories_may_be_patterns() {
        let list = |path: &Path| -> io::Result<Vec<OsString>> {
            match path.to_str() {
                Some("/etc") => Ok(vec!["b".into(), "a".into(), "c.toml".into()]),
                Some("/etc/a") => Ok(vec!["2.toml".into(), "1.toml".into(), "x".into()]),
                Some("/etc/b") => Ok(vec!["0.toml".into()]),
                Some("/etc/c.toml") => Err(io::ErrorKind::NotADirectory.into()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        };
        let environment = Environment { list, ..Environment::fixed() };
        let files = |text: &str| {
            let pattern = Pattern::parse(text).unwrap();
            pattern.files(Path::new("/etc"), &environment).unwrap()
        };
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(files("*/*.toml"), paths(&["/etc/a/1.toml", "/etc/a/2.toml", "/etc/b/0.toml"]));
        assert_eq!(files("./a/x"), paths(&["/etc/a/x"]));
        assert_eq!(files("/srv/x"), paths(&["/srv/x"]));
        assert_eq!(files("/srv/*"), paths(&[]));
    }

    #[test]
    fn what_other_tools_have_besides_is_refused() {
        for text in [
            "",
            ".",
            "./",
            "..",
            "routes/",
            "a/..",
            "a/.",
            "/",
            "**/*.toml",
            "[ab].toml",
            "{a,b}.toml",
            "~/a",
            "a\0",
            "a\\*",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
