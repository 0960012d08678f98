//! Looks into the certificates that a configuration names, as serving it would: an expired one, or
//! a key of another, is better found before.
//!
//! They are found in the text itself: so each has its place, and a fault elsewhere in the file hides
//! none of theirs.

use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use config::Severity;
use control::chain;
use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wire::tls::{Certificate, Files, TlsError};

use crate::foreign::shown;

/// Something that is wrong with a certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    listener: String,
    #[serde(serialize_with = "as_word")]
    pub(crate) severity: Severity,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Where it is named in the file; both begin with 1.
    line: usize,
    column: usize,
}

/// A certificate with its key, as the file names them.
struct Pair {
    listener: String,
    files: Files,
    line: usize,
    column: usize,
}

/// Everything that is wrong with the certificates that the configuration `file` names, at the time
/// `now`. That a file is not there is the reader's to say.
pub(crate) fn check(file: &Path, now: SystemTime) -> Vec<Finding> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let directory = whole.parent().unwrap_or(Path::new("/"));
    pairs(&text, directory).iter().flat_map(|pair| pair.check(now)).collect()
}

/// The certificates in `text`, as far as it can be read.
fn pairs(text: &str, directory: &Path) -> Vec<Pair> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut pairs = Vec::new();
    let listeners = root.get_ref().get("listeners").and_then(|it| it.get_ref().as_table());
    for (name, listener) in listeners.into_iter().flat_map(|it| it.iter()) {
        let certificates = get(listener, "tls").and_then(|tls| get(tls, "certificates"));
        let certificates = certificates.and_then(|it| it.get_ref().as_array());
        for certificate in certificates.into_iter().flat_map(|it| it.iter()) {
            let path = |key| {
                let path = get(certificate, key)?.get_ref().as_str()?;
                Some(directory.join(path))
            };
            let (Some(cert), Some(key)) = (path("cert"), path("key")) else { continue };
            let (line, column) = place(text, certificate.span().start);
            let listener = name.get_ref().to_string();
            pairs.push(Pair { listener, files: Files { cert, key }, line, column });
        }
    }
    pairs
}

fn get<'a, 'v>(value: &'a Spanned<DeValue<'v>>, key: &str) -> Option<&'a Spanned<DeValue<'v>>> {
    value.get_ref().as_table()?.get(key)
}

/// The line and the column of a byte of `text`, the first being 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

impl Pair {
    fn check(&self, now: SystemTime) -> Vec<Finding> {
        match Certificate::load(&self.files, now) {
            Err(TlsError::Read { .. }) => Vec::new(),
            Err(error) => vec![self.finding(Severity::Error, &error, Some(error.hint()))],
            Ok(certificate) => {
                let warnings = certificate.warnings().iter();
                warnings.map(|it| self.finding(Severity::Warning, it, None)).collect()
            }
        }
    }

    fn finding(&self, severity: Severity, what: &dyn Error, hint: Option<String>) -> Finding {
        let Self { listener, line, column, .. } = self;
        let (listener, what) = (listener.clone(), chain(what));
        Finding { listener, severity, what, hint, line: *line, column: *column }
    }
}

impl Finding {
    /// Drawn as the faults of `file` are.
    pub(crate) fn draw(&self, file: &Path) -> String {
        let (word, colour) = match self.severity {
            Severity::Error => ("error", AnsiColor::BrightRed),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let (bold, style) =
            (Style::new().bold(), Style::new().bold().fg_color(Some(colour.into())));
        let Self { listener, what, hint, line, column, .. } = self;
        let (what, file) = (shown(what), file.display());
        let mut text = format!(
            "{style}{word}[certificate]{style:#}{bold}: {what}{bold:#}\n --> {file}:{line}:{column}\n  \
             = listener `{}`\n",
            shown(listener)
        );
        if let Some(hint) = hint {
            text.push_str(&format!("  = help: {hint}\n"));
        }
        text.push('\n');
        text
    }
}

fn as_word<S: serde::Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_found_with_their_places_whatever_else_is_wrong() {
        let text = "[listeners.a]\nbnid = 1\ntls = { certificates = [{ cert = \"a.pem\", key = \"/k\" },\n  \
                    { cert = \"b.pem\", key = \"b.key\" }, { cert = \"c.pem\" }, 3] }\n[listeners.b]\nx = ";
        let pairs = pairs(text, Path::new("/srv"));
        let found: Vec<_> = pairs
            .iter()
            .map(|it| (it.listener.as_str(), it.files.cert.to_str().unwrap(), it.line, it.column))
            .collect();
        assert_eq!(found, [("a", "/srv/a.pem", 3, 25), ("a", "/srv/b.pem", 4, 3)]);
        assert_eq!(pairs[0].files.key, Path::new("/k"));
    }
}
