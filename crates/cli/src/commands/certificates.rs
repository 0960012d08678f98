//! `plimsoll certificates`: each certificate, and how it stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use admin::{Certificate, Certificates};
use jiff::Timestamp;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Endpoint, Form};
use crate::output;
use crate::quantity::rough;
use crate::sealed;
use crate::table::{Column, Table};
use crate::width::{columns, wrapped};

/// Show each certificate, until when it is good, and what fails
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll certificates
  plimsoll certificates --ca > root.pem && curl --cacert root.pem https://localhost:8443/
  plimsoll certificates --import /etc/letsencrypt
  plimsoll certificates --json | jq '.certificates[] | select(.trouble) | .hosts[0]'")]
pub(crate) struct Options {
    /// Print the root of Plimsoll's own CA (`tls = { internal = true }`), for clients that are to believe it
    #[arg(long)]
    ca: bool,
    /// Take over what certbot has ordered for the hosts of the configuration, such as /etc/letsencrypt; nothing there changes
    #[arg(long, value_name = "DIR", conflicts_with = "ca")]
    import: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    if let Some(certbot) = &options.import {
        return import(certbot, &options);
    }
    let client = options.at.client()?;
    let certificates = super::block_on(async { Ok(client.certificates().await?) })?;
    if options.ca {
        let ca = certificates.internal_ca.ok_or(Failure::NoInternalCa)?;
        match options.form.json {
            true => output::json(&ca),
            false => output::out(&ca.root),
        }
        return Ok(Exit::Done);
    }
    match options.form.json {
        true => output::json(&certificates),
        false => output::out(&draw(&certificates, Timestamp::now(), columns())),
    }
    Ok(Exit::Done)
}

/// What was imported, for programs.
#[derive(Debug, Serialize)]
struct Report {
    taken: BTreeMap<String, Taken>,
    left: Vec<Left>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Taken {
    from: PathBuf,
    /// As RFC 3339 has it.
    expires: Option<String>,
}

#[derive(Debug, Serialize)]
struct Left {
    at: PathBuf,
    why: String,
}

/// Takes over what certbot has ordered.
fn import(certbot: &Path, options: &Options) -> Result<Exit, Failure> {
    let file = options
        .at
        .here("certificates --import", "it reads certbot's files on this machine")?
        .file()?;
    let intent = config::load(&file, &sealed::environment())?.intent;
    let all = intent.ordered_hosts();
    let hosts = all.filter(|host| !intent.internal.contains(*host)).cloned().collect();
    let imported = control::import(certbot, &intent.server.state_dir, &hosts, SystemTime::now())?;
    let expires = |at: SystemTime| Timestamp::try_from(at).ok().map(|it| it.to_string());
    let taken = imported
        .taken
        .into_iter()
        .map(|(host, it)| (host, Taken { from: it.from, expires: expires(it.not_after) }));
    let report = Report {
        taken: taken.collect(),
        left: imported.left.into_iter().map(|it| Left { at: it.at, why: it.why }).collect(),
        warnings: imported.warnings.iter().map(ToString::to_string).collect(),
    };
    match options.form.json {
        true => output::json(&report),
        false => output::out(&told(&report, Timestamp::now())),
    }
    Ok(Exit::Done)
}

fn told(report: &Report, now: Timestamp) -> String {
    let mut text = String::new();
    for (host, Taken { from, expires }) in &report.taken {
        let expires = expires.as_ref().map_or(String::new(), |it| until(it, now));
        let from = from.display().to_string();
        text.push_str(&format!("took {host} from {}, which expires {expires}\n", shown(&from)));
    }
    for Left { at, why } in &report.left {
        let at = at.display().to_string();
        text.push_str(&format!("left {}: {}\n", shown(&at), shown(why)));
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning: {}\n", shown(warning)));
    }
    text.push_str(match report.taken.is_empty() {
        true => "nothing was taken\n",
        false => "A Plimsoll that runs serves them after `plimsoll reload`, where it has none of its own yet. End certbot's timer then.\n",
    });
    text
}

fn draw(certificates: &Certificates, now: Timestamp, width: usize) -> String {
    if certificates.certificates.is_empty() {
        return "there are no certificates\n".to_owned();
    }
    let mut table = Table::new([
        Column::Left("HOST"),
        Column::Left("ISSUER"),
        Column::Left("KEY"),
        Column::Left("EXPIRES"),
        Column::Left("NEXT ORDER"),
    ]);
    let mut notes = String::new();
    for certificate in &certificates.certificates {
        let Certificate { hosts, issuer, key, expires, .. } = certificate;
        let known = |text: &Option<String>| {
            text.as_deref().map_or("-".to_owned(), |it| shown(it).to_string())
        };
        let expires = expires.as_ref().map_or("none yet".to_owned(), |it| until(it, now));
        table.row([
            shown(&hosts.join(", ")).to_string().into(),
            known(issuer).into(),
            known(key).into(),
            expires.into(),
            next(certificate, now).into(),
        ]);
        if let Some(trouble) = trouble(certificate) {
            notes.push_str(&wrapped(&shown(&trouble), width, 4));
            notes.push('\n');
        }
    }
    let table = table.fit(width, &["KEY", "ISSUER"]);
    if notes.is_empty() { table } else { format!("{table}\n{notes}") }
}

/// When it is ordered next, and why then.
fn next(certificate: &Certificate, now: Timestamp) -> String {
    let Certificate { file, next, why, edge, .. } = certificate;
    if let Some(file) = file {
        return format!("never: it is from {}", shown(file));
    }
    if let Some(edge) = edge {
        return format!("by {}", shown(edge));
    }
    let why = match why.as_deref() {
        Some("third_left") => ", with a third of its life left",
        Some("suggested") => ", as its CA suggests",
        Some("again") => ", once more",
        Some("too_soon") => ", as the last one has only just come",
        Some("store") => ", as it waits for the store",
        _ => "",
    };
    match next {
        Some(next) => format!("{}{why}", until(next, now)),
        None => "being ordered".to_owned(),
    }
}

/// What fails, and what to do about it.
pub(crate) fn trouble(certificate: &Certificate) -> Option<String> {
    let trouble = certificate.trouble.as_ref()?;
    let admin::CertificateTrouble { since, times, directory, problem, advice } = trouble;
    let times = if *times == 1 { "order".to_owned() } else { format!("{times} orders") };
    Some(format!(
        "{}: {times} failed since {since}, the last of {directory}: {problem}. To mend it: {advice}",
        certificate.hosts.join(", ")
    ))
}

/// How long it is until `at`, as of `now`.
fn until(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else { return shown(at).to_string() };
    let left = at.duration_since(now);
    let length = Duration::from_secs(left.unsigned_abs().as_secs());
    match (left.is_negative(), length.is_zero()) {
        (_, true) => "now".to_owned(),
        (false, false) => format!("in {}", rough(length)),
        (true, false) => format!("{} ago", rough(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::CertificateTrouble;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn each_certificate_is_a_line_and_what_fails_stands_below() {
        let ordered = Certificate {
            hosts: vec!["shop.example.com".into()],
            file: None,
            issuer: some("Let's Encrypt E7"),
            key: some("ECDSA P-256"),
            expires: some("2026-02-15T00:00:00Z"),
            next: some("2026-01-30T00:00:00Z"),
            why: some("suggested"),
            edge: None,
            trouble: None,
        };
        let trouble = CertificateTrouble {
            since: "2026-01-01T00:00:00Z".into(),
            times: 2,
            directory: "https://ca.example.com/dir".into(),
            problem: "no A record\u{1b}[31m (dns)".into(),
            advice: "see that new.example.com has one".into(),
        };
        let new = Certificate {
            hosts: vec!["new.example.com".into()],
            issuer: None,
            key: None,
            expires: None,
            next: some("2026-01-02T04:04:00Z"),
            why: some("again"),
            trouble: Some(trouble),
            ..ordered.clone()
        };
        let file = Certificate {
            hosts: vec!["a.example.com".into(), "*.a.example.com".into()],
            file: some("/etc/tls/a.pem"),
            expires: some("2026-01-01T00:00:00Z"),
            next: None,
            why: None,
            ..ordered.clone()
        };
        let under_way =
            Certificate { next: None, hosts: vec!["b.example.com".into()], ..ordered.clone() };
        let elsewhere = Certificate {
            hosts: vec!["c.example.com".into()],
            why: some("elsewhere"),
            edge: some("edge-b-1f2e3d"),
            ..ordered.clone()
        };
        let certificates = Certificates {
            certificates: vec![file, new, ordered, under_way, elsewhere],
            internal_ca: None,
        };
        let now = "2026-01-02T03:04:00Z".parse().unwrap();
        let text = draw(&certificates, now, 130);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
        let none = Certificates { certificates: Vec::new(), internal_ca: None };
        assert_eq!(draw(&none, now, 100), "there are no certificates\n");
    }
}
