//! Reads `services.NAME.health`.

use model::{HealthCheck, HealthProbe};

use super::narrow;
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::section::Section;
use crate::value::{host, path, status};

/// What only a check by HTTP has.
const HTTP_KEYS: [&str; 4] = ["path", "host", "status", "body"];

/// Reads a check.
pub(super) fn check(section: &Section<'_>) -> Option<HealthCheck> {
    let probe = probe(section);
    let (interval, timeout) = (section.duration("interval"), section.duration("timeout"));
    let (healthy, unhealthy) = (section.count("healthy"), section.count("unhealthy"));
    Some(HealthCheck {
        probe: probe?,
        interval,
        timeout,
        healthy: narrow(healthy)?,
        unhealthy: narrow(unhealthy)?,
    })
}

fn probe(section: &Section<'_>) -> Option<HealthProbe> {
    if section.flag("tcp") {
        for key in HTTP_KEYS.into_iter().filter(|key| section.has(key)) {
            refuse_beside_tcp(section, key);
        }
        return Some(HealthProbe::Tcp);
    }
    if !section.has("path") {
        section.report(Flaw::new(
            Code::Missing,
            format!("{} does not say what to ask", section.called()),
            "neither `path` nor `tcp` is there",
            "write `path = \"/health\"` to ask by HTTP, or `tcp = true` to only connect",
        ));
    }
    let host = section.parse("host", host::parse_authority);
    let status = section.parse_or_default("status", status::parse_ranges);
    let body = section.parse("body", body);
    let path = section.parse("path", path::parse_request_target);
    Some(HealthProbe::Http { path: path?, host, status: status?, body })
}

fn refuse_beside_tcp(section: &Section<'_>, key: &'static str) {
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{key}` and `tcp = true` exclude each other"),
        "a check by TCP asks for nothing",
        "take one of them out",
    );
    let tcp = section.entry_span("tcp").unwrap_or_else(|| section.span());
    section.report_at(key, flaw, &[(tcp, "this only opens a connection")]);
}

fn body(text: &str) -> Result<String, Flaw> {
    const BYTES_MAX: usize = 64 << 10;
    match text.len() {
        0 => Err(Flaw::invalid(
            "an empty text is in every answer",
            "it is empty",
            "leave `body` out",
        )),
        1..=BYTES_MAX => Ok(text.to_owned()),
        _ => Err(Flaw::invalid(
            "the text is too long",
            "only the first 64 KiB of an answer are looked at",
            "look for something shorter",
        )),
    }
}
