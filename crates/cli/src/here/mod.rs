//! What of a configuration this machine lacks: looked for before it is served, and where it is to be served.
//!
//! The file is right whatever is found here; another machine may have what this one lacks. Nothing is started, written or
//! kept open, and no value of the environment is shown.

mod acme;
mod auth;
mod listeners;
mod server;
mod services;
mod store;
mod targets;

use std::net::SocketAddr;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use config::{Places, Severity};
use model::Intent;
use serde::{Serialize, Serializer};

use crate::foreign::shown;

/// Something that this machine lacks.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What of the file it is about: "service `api`".
    about: String,
    #[serde(serialize_with = "as_word")]
    pub(crate) severity: Severity,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Where that stands in the file, if it does.
    #[serde(flatten)]
    place: Option<Place>,
}

/// What is looked at.
pub(crate) struct Subject<'a> {
    /// Where its keys stand.
    pub(crate) places: &'a Places,
    /// What it says.
    pub(crate) intent: &'a Intent,
    /// Where the Plimsoll that serves this very file listens, if one does: what it holds is not missing.
    pub(crate) held: &'a [SocketAddr],
}

/// Everything that this machine lacks for `subject`.
pub(crate) fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let notes = Notes { places: subject.places, intent: subject.intent };
    let mut findings = server::look(&notes);
    findings.extend(listeners::look(&notes, subject.held));
    findings.extend(acme::look(&notes));
    findings.extend(services::look(&notes));
    findings.extend(targets::look(&notes));
    findings.extend(store::look(&notes));
    findings.extend(auth::look(&notes));
    findings
}

/// What this machine lacks for the services that Plimsoll runs: what a first start would fail at.
pub(crate) fn look_at_services(places: &Places, intent: &Intent) -> Vec<Finding> {
    services::look(&Notes { places, intent })
}

/// Of each of these services that nothing runs.
pub(crate) fn unreleased(places: &Places, intent: &Intent, services: &[&str]) -> Vec<Finding> {
    let notes = Notes { places, intent };
    let of_one = |name: &&str| {
        let what = "it has no release yet: nothing runs, and requests get 503".to_owned();
        let about = format!("service `{name}`");
        notes.finding(&["services", name, "command"], about, Severity::Warning, what).hint(format!(
            "name what runs first, as in version = \"1\"; or once Plimsoll runs: plimsoll deploy {name} VERSION"
        ))
    };
    services.iter().map(of_one).collect()
}

/// The configuration, and where its parts stand.
struct Notes<'a> {
    places: &'a Places,
    intent: &'a Intent,
}

impl Notes<'_> {
    /// A finding about the value at `path`, or the nearest part of it that the file has.
    fn finding(&self, path: &[&str], about: String, severity: Severity, what: String) -> Finding {
        Finding {
            about,
            severity,
            what,
            hint: None,
            place: self.places.nearest(path).map(Place::of),
        }
    }
}

/// A place in a file; line and column begin with 1.
#[derive(Clone, Debug, Serialize)]
struct Place {
    file: String,
    line: usize,
    column: usize,
}

impl Place {
    fn of(place: &config::Place) -> Self {
        Self { file: place.file.to_string(), line: place.line, column: place.column }
    }
}

impl Finding {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Drawn as the faults of `file` are, which is named where it says nothing of this.
    pub(crate) fn draw(&self, file: &Path) -> String {
        let (word, colour) = match self.severity {
            Severity::Error => ("error", AnsiColor::BrightRed),
            Severity::Warning => ("warning", AnsiColor::Yellow),
        };
        let (bold, style) =
            (Style::new().bold(), Style::new().bold().fg_color(Some(colour.into())));
        let at = match &self.place {
            Some(Place { file, line, column }) => format!("{file}:{line}:{column}"),
            None => file.display().to_string(),
        };
        let mut text = format!(
            "{style}{word}[here]{style:#}{bold}: {}{bold:#}\n --> {at}\n  = {}\n",
            shown(&self.what),
            shown(&self.about)
        );
        if let Some(hint) = &self.hint {
            text.push_str(&format!("  = help: {}\n", shown(hint)));
        }
        text.push('\n');
        text
    }
}

fn as_word<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use config::Environment;

    use super::*;

    /// What is found for a file: the severity, the line, and the words.
    fn found(text: &str, dir: &Path, held: &[SocketAddr]) -> Vec<String> {
        let (path, environment) = (dir.join("plimsoll.toml"), Environment::of_process());
        std::fs::write(&path, text).unwrap();
        let intent = config::load(&path, &environment).unwrap().intent;
        let places = config::places(&path, &environment);
        let findings = look(&Subject { places: &places, intent: &intent, held });
        let line = |it: &Finding| it.place.as_ref().map_or(0, |place| place.line);
        findings.iter().map(|it| format!("{:?} {} {}", it.severity, line(it), it.what)).collect()
    }

    fn file(bind: &str, service: &str) -> String {
        format!(
            "[server]\nstate_dir = \"state\"\n[listeners.web]\nbind = \"{bind}\"\n[services.api]\n{service}[[routes]]\nto = \"api\"\n"
        )
    }

    #[test]
    fn each_thing_that_is_missing_is_found_at_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let no_such = "no directory of PATH";
        for (service, line, part) in [
            ("command = \"no-such-program $PORT\"\nversion = \"1\"\n", 6, no_such),
            ("version = \"1\"\ncommand = \"./serve\"\n", 7, "there is no program"),
            (
                "command = \"sh\"\nversion = \"1\"\ndirectory = \"gone/{version}\"\n",
                8,
                "cannot run in the directory",
            ),
            ("command = \"sh\"\nversion = \"1\"\nenv_file = \".env\"\n", 8, ".env"),
            (
                "command = \"sh\"\nversion = \"1\"\nsecrets = [\"NO_SUCH_SECRET_HERE\"]\n",
                8,
                "NO_SUCH_SECRET_HERE",
            ),
            ("command = \"python3 app/serve.py\"\nversion = \"1\"\n", 6, "there is no file"),
            (
                "command = \"sh\"\nversion = \"1\"\nhealth = { command = \"./no-such-check $PORT\" }\n",
                8,
                "the program of its checks cannot run",
            ),
            (
                "command = \"sh\"\nversion = \"1\"\nhealth = { command = [\"python3\", \"up.py\"] }\n",
                8,
                "up.py for python3 to run",
            ),
            (
                "command = \"sh\"\nversion = \"1\"\ndeploy = { before = \"./no-such-hook\" }\n",
                8,
                "the program of `before` cannot run",
            ),
            ("targets = [\"no-such-host.invalid:80\"]\n", 6, "cannot be looked up"),
        ] {
            let found = found(&file("127.0.0.1:0", service), dir.path(), &[]);
            assert_eq!(found.len(), 1, "{service}: {found:?}");
            let expected = format!(" {line} ");
            assert!(
                found[0].contains(&expected) && found[0].contains(part),
                "{service}: {found:?}"
            );
        }
        let fine = file(
            "127.0.0.1:0",
            "command = \"sh -c true\"\nversion = \"1\"\nhealth = { command = \"true\" }\n",
        );
        assert_eq!(found(&fine, dir.path(), &[]), [""; 0]);
    }

    #[test]
    fn an_address_that_is_held_by_us_is_not_missing_and_by_another_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let text = file(&address.to_string(), "command = \"sh\"\nversion = \"1\"\n");
        let lacks = found(&text, dir.path(), &[]);
        assert!(lacks.len() == 1 && lacks[0].starts_with("Error 4 "), "{lacks:?}");
        assert_eq!(found(&text, dir.path(), &[address]), [""; 0]);
        let elsewhere = file("192.0.2.1:80", "command = \"sh\"\nversion = \"1\"\n");
        let lacks = found(&elsewhere, dir.path(), &[]);
        assert!(lacks[0].contains("no such address"), "{lacks:?}");
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state"), "").unwrap();
        let text = file("127.0.0.1:0", "command = \"sh\"\nversion = \"1\"\n");
        let lacks = found(&text, dir.path(), &[]);
        assert!(lacks.len() == 1 && lacks[0].starts_with("Error 2 "), "{lacks:?}");
    }
}
