//! `plimsoll certificates`: each certificate, and how it stands.

use std::time::Duration;

use admin::{Certificate, Certificates};
use jiff::Timestamp;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Form, Which};
use crate::output;
use crate::quantity::rough;
use crate::table::{Column, Table};
use crate::width::{columns, wrapped};

/// Show each certificate, until when it is good, and what fails
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll certificates
  plimsoll certificates --json | jq '.certificates[] | select(.trouble) | .hosts[0]'")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.which.client()?;
    let certificates = super::block_on(async { Ok(client.certificates().await?) })?;
    match options.form.json {
        true => output::json(&certificates),
        false => output::out(&draw(&certificates, Timestamp::now(), columns())),
    }
    Ok(Exit::Done)
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
    let Certificate { file, next, why, .. } = certificate;
    if let Some(file) = file {
        return format!("never: it is from {}", shown(file));
    }
    let why = match why.as_deref() {
        Some("third_left") => ", with a third of its life left",
        Some("suggested") => ", as its CA suggests",
        Some("again") => ", once more",
        Some("too_soon") => ", as the last one has only just come",
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
        let certificates = Certificates { certificates: vec![file, new, ordered, under_way] };
        let now = "2026-01-02T03:04:00Z".parse().unwrap();
        let text = draw(&certificates, now, 130);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
        let none = Certificates { certificates: Vec::new() };
        assert_eq!(draw(&none, now, 100), "there are no certificates\n");
    }
}
