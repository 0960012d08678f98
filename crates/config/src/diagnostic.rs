//! What is wrong with a text, as plain data: for people it is drawn by `render`, for programs every
//! field is public.

use std::fmt;
use std::sync::Arc;

use crate::place::Place;
use crate::render::{self, Paint};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// The names that lead to what is wrong, as in `services.api.health` or `routes[2].path`;
    /// empty where the whole file is meant or the text could not be read so far.
    pub key: String,
    /// Where. What is missing from the file as a whole is missing at its end.
    pub place: Place,
    /// What is wrong, in one line.
    pub what: String,
    /// Why it is wrong; drawn under the place.
    pub why: String,
    /// What to do.
    pub hint: String,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
}

/// Another place that has to do with a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What it has to do with it.
    pub why: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but hardly means what it says.
    Warning,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not TOML.
    Syntax,
    /// Not UTF-8.
    Encoding,
    /// A key that does not exist.
    UnknownKey,
    /// A key or value whose name is taken, but that does nothing yet.
    Unsupported,
    /// A text where a number is wanted, and the like.
    WrongType,
    /// A key that must be there is not.
    Missing,
    /// The right type, but not a value that can be read.
    Invalid,
    /// A value that can be read, but lies outside of what makes sense.
    OutOfRange,
    /// The same thing twice.
    Duplicate,
    /// Two things that exclude each other.
    Conflict,
    /// A service that no one defined.
    UndefinedService,
    /// Something else that no one defined: an authentication, say.
    UndefinedName,
    /// Two routes that no request can tell apart.
    IndistinctRoutes,
    /// A file that is named is not there or may not be read.
    UnreadableFile,
    /// A setting that changes nothing as things stand.
    NoEffect,
    /// A definition that nothing uses.
    Unused,
    /// A setting that opens more than it seems to.
    Risky,
    /// A directory in which something is to be made is not there.
    MissingDirectory,
    /// A variable of the environment that is not set, or not written as one.
    Variable,
}

impl Code {
    /// The stable name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Encoding => "encoding",
            Self::UnknownKey => "unknown-key",
            Self::Unsupported => "not-supported-yet",
            Self::WrongType => "wrong-type",
            Self::Missing => "missing",
            Self::Invalid => "invalid-value",
            Self::OutOfRange => "out-of-range",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::UndefinedService => "undefined-service",
            Self::UndefinedName => "undefined-name",
            Self::IndistinctRoutes => "indistinct-routes",
            Self::UnreadableFile => "unreadable-file",
            Self::NoEffect => "no-effect",
            Self::Unused => "unused",
            Self::Risky => "risky",
            Self::MissingDirectory => "missing-directory",
            Self::Variable => "variable",
        }
    }

    /// How bad this kind is.
    pub fn severity(self) -> Severity {
        match self {
            Self::NoEffect | Self::Unused | Self::Risky | Self::MissingDirectory => {
                Severity::Warning
            }
            _ => Severity::Error,
        }
    }

    /// Whether the kind says that something is *not* there: not to be trusted where a part of the
    /// text could not be read.
    pub(crate) fn is_about_absence(self) -> bool {
        matches!(
            self,
            Self::Missing
                | Self::UndefinedService
                | Self::UndefinedName
                | Self::Unused
                | Self::NoEffect
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything that is wrong with a configuration, in the order of its text, and what is needed to
/// draw it. Its `Display` is the drawing without colours.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    pub(crate) origin: String,
    /// What there is to draw in; nothing if there is no fault.
    pub(crate) texts: Vec<Text>,
    pub(crate) list: Vec<Diagnostic>,
    /// Those that are not in the list.
    pub(crate) left_out: LeftOut,
}

/// How many faults are too many to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
}

impl LeftOut {
    /// Counts one more.
    pub(crate) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
    }

    /// How many there are of `severity`.
    pub(crate) fn count(self, severity: Severity) -> usize {
        match severity {
            Severity::Error => self.errors,
            Severity::Warning => self.warnings,
        }
    }
}

/// The text of a file, its secrets starred out.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) file: Arc<str>,
    pub(crate) text: String,
}

impl Diagnostics {
    /// The file, as its user named it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Each fault that is told; of a great many, [`Diagnostics::count`] counts also the rest.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the text cannot be used.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there are of `severity`.
    pub fn count(&self, severity: Severity) -> usize {
        let is_meant = |diagnostic: &&Diagnostic| diagnostic.code.severity() == severity;
        self.list.iter().filter(is_meant).count() + self.left_out.count(severity)
    }

    /// How many are not told, in words; `None` where all are.
    pub(crate) fn not_told(&self) -> Option<String> {
        let LeftOut { errors, warnings } = self.left_out;
        (errors + warnings > 0).then(|| counted(errors, warnings))
    }

    /// Each drawn under the text it is about, one after the other; empty if there is none.
    pub fn render(&self, paint: Paint) -> String {
        render::render(self, paint)
    }

    /// How many there are, in words, as in `3 errors, 1 warning`.
    pub fn summary(&self) -> String {
        counted(self.count(Severity::Error), self.count(Severity::Warning))
    }
}

fn counted(errors: usize, warnings: usize) -> String {
    let counted = |count: usize, noun: &str| match count {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{count} {noun}s")),
    };
    let parts = [counted(errors, "error"), counted(warnings, "warning")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no errors".to_owned() } else { parts.join(", ") }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Diagnostics {}
