//! Looks into the certificates that a configuration names, as serving it would: an expired one, or
//! a key of another, is better found before.
//!
//! They are found in the tree that the configuration is read from: so each has its place, and a fault
//! elsewhere in the file hides none of theirs.

use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use config::{Environment, NamedCertificate, NamedFiles, NamedUser, Severity};
use control::chain;
use serde::Serialize;
use wire::tls::{
    Authorities, Certificate, ClientFiles, ClientTrust, Demand, Files, TlsError, Warning,
};

use crate::foreign::shown;

/// Something that is wrong with a certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// Whether it is the admin API's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    admin: bool,
    #[serde(serialize_with = "as_word")]
    pub(crate) severity: Severity,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Where it is named; line and column begin with 1.
    file: String,
    line: usize,
    column: usize,
}

/// Everything that is wrong with the certificates that the configuration `file` names, at the time
/// `now`. That a file is not there is the reader's to say.
pub(crate) fn check(file: &Path, now: SystemTime) -> Vec<Finding> {
    let named = config::certificates(file, &Environment::of_process());
    named.iter().flat_map(|named| findings(named, now)).collect()
}

fn findings(named: &NamedCertificate, now: SystemTime) -> Vec<Finding> {
    match warnings(&named.files, now) {
        Err(TlsError::Read { .. }) => Vec::new(),
        Err(error) => vec![finding(named, Severity::Error, &error, Some(error.hint()))],
        Ok(mut warnings) => {
            // What is shown to instances need name no host.
            if matches!(named.user, NamedUser::Service(_)) {
                warnings.retain(|it| !matches!(it, Warning::NoNames { .. }));
            }
            warnings.iter().map(|it| finding(named, Severity::Warning, it, None)).collect()
        }
    }
}

/// What is doubtful about `files`, where they can be used.
fn warnings(files: &NamedFiles, now: SystemTime) -> Result<Vec<Warning>, TlsError> {
    match files.clone() {
        NamedFiles::Shown { cert, key } => {
            Certificate::load(&Files { cert, key }, now).map(|it| it.warnings().to_vec())
        }
        NamedFiles::Instances { ca } => {
            Authorities::load(&ca, now).map(|it| it.warnings().to_vec())
        }
        // Whether clients need one changes nothing of that.
        NamedFiles::Clients { ca, crl } => {
            ClientTrust::load(&ClientFiles { ca, crl }, Demand::Required, now)
                .map(|it| it.warnings().to_vec())
        }
    }
}

fn finding(
    named: &NamedCertificate,
    severity: Severity,
    what: &dyn Error,
    hint: Option<String>,
) -> Finding {
    let (mut listener, mut service, mut admin) = (None, None, false);
    match named.user.clone() {
        NamedUser::Listener(name) => listener = Some(name),
        NamedUser::Service(name) => service = Some(name),
        NamedUser::Admin => admin = true,
    }
    let what = chain(what);
    let (file, line, column) = (named.place.file.to_string(), named.place.line, named.place.column);
    Finding { listener, service, admin, severity, what, hint, file, line, column }
}

impl Finding {
    /// Drawn as the faults of a file are.
    pub(crate) fn draw(&self) -> String {
        let (word, colour) = match self.severity {
            Severity::Error => ("error", AnsiColor::BrightRed),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let (bold, style) =
            (Style::new().bold(), Style::new().bold().fg_color(Some(colour.into())));
        let Self { listener, service, what, hint, file, line, column, .. } = self;
        let user = match (listener, service) {
            (Some(name), _) => format!("listener `{}`", shown(name)),
            (None, Some(name)) => format!("service `{}`", shown(name)),
            (None, None) => "the admin API".to_owned(),
        };
        let (what, file) = (shown(what), shown(file));
        let mut text = format!(
            "{style}{word}[certificate]{style:#}{bold}: {what}{bold:#}\n --> {file}:{line}:{column}\n  \
             = {user}\n"
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
