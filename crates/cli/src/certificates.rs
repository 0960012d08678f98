//! Looks into the certificates that a configuration names, as serving it would: an expired one, or
//! a key of another, is better found before.

use std::error::Error;
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use config::Severity;
use model::{Intent, Listener};
use serde::Serialize;
use wire::tls::{Certificate, Files};

use crate::failure::chain;

/// Something that is wrong with a certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    listener: String,
    #[serde(serialize_with = "as_word")]
    pub(crate) severity: Severity,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Everything that is wrong with the certificates of `intent` at the time `now`.
pub(crate) fn check(intent: &Intent, now: SystemTime) -> Vec<Finding> {
    intent.listeners.values().flat_map(|listener| check_listener(listener, now)).collect()
}

fn check_listener(listener: &Listener, now: SystemTime) -> Vec<Finding> {
    let finding = |severity, what: &dyn Error, hint| Finding {
        listener: listener.name.to_string(),
        severity,
        what: chain(what),
        hint,
    };
    let mut findings = Vec::new();
    for pair in &listener.certificates {
        let files = Files { cert: pair.cert.clone(), key: pair.key.clone() };
        match Certificate::load(&files, now) {
            Err(error) => findings.push(finding(Severity::Error, &error, Some(error.hint()))),
            Ok(certificate) => {
                let warnings = certificate.warnings().iter();
                findings.extend(warnings.map(|it| finding(Severity::Warning, it, None)));
            }
        }
    }
    findings
}

impl Finding {
    /// Drawn as the faults of the file are.
    pub(crate) fn draw(&self) -> String {
        let (word, colour) = match self.severity {
            Severity::Error => ("error", AnsiColor::BrightRed),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let (bold, style) =
            (Style::new().bold(), Style::new().bold().fg_color(Some(colour.into())));
        let Self { listener, what, hint, .. } = self;
        let mut text = format!(
            "{style}{word}[certificate]{style:#}{bold}: {what}{bold:#}\n  = listener `{listener}`\n"
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
