//! What the judge found, for people: by what, since when, how sure, which requests, and what other rules would have said.

use admin::{ComparedWith, Finding, FindingKind, FoundRequest, Hits, Receipt, RequestEnding};

use crate::foreign::shown;
use crate::quantity::latency;

/// So many findings of a deploy are drawn: the last ones.
const FINDINGS: usize = 3;
/// So many instances that were hit are named.
const INSTANCES: usize = 8;
/// So many requests are named below a line of a running deploy.
const IN_A_LINE: usize = 3;

/// Some of the requests of a finding in one line, for a deploy as it goes.
pub(super) fn in_a_line(finding: &Finding) -> Option<String> {
    let of = |request: &FoundRequest| {
        let (id, instance) = (shown(&request.id), shown(&request.instance));
        format!("{id} ({instance}, {})", said(request))
    };
    let requests: Vec<String> = finding.requests.iter().take(IN_A_LINE).map(of).collect();
    (!requests.is_empty()).then(|| format!("requests: {}", requests.join(", ")))
}

/// The evidence of a deploy that is over; nothing where nothing was found.
pub(super) fn draw(receipt: &Receipt) -> String {
    let found = receipt.lines.iter().filter_map(|line| line.finding.as_deref());
    let found: Vec<&Finding> = found.collect();
    let last = &found[found.len().saturating_sub(FINDINGS)..];
    let mut text: String = last.iter().map(|finding| draw_one(receipt, finding)).collect();
    if !found.is_empty() {
        let (service, id) = (shown(&receipt.service), receipt.id);
        text.push_str(&format!(
            "    other rules   plimsoll judge {service} {id} --set KEY=VALUE\n"
        ));
    }
    text
}

fn draw_one(receipt: &Receipt, finding: &Finding) -> String {
    let mut text = format!("\n  {}\n", heading(finding));
    let mut row = |name: &str, what: &str| text.push_str(&format!("    {name:<14}{what}\n"));
    let new = match &finding.instance {
        Some(instance) => shown(instance).into_owned(),
        None => format!("release {}", shown(&receipt.release)),
    };
    row(&new, &counted(finding, finding.new));
    compared(receipt, finding).into_iter().for_each(|(name, what)| row(&name, &what));
    if !finding.instances.is_empty() {
        let one = |it: &admin::InstanceHits| format!("{} {}", shown(&it.instance), it.hits);
        let all: Vec<String> = finding.instances.iter().take(INSTANCES).map(one).collect();
        row("instances", &all.join(", "));
    }
    row("how sure", &how_sure(finding));
    for (at, request) in finding.requests.iter().enumerate() {
        row(if at == 0 { "requests" } else { "" }, &describe(request));
        for line in &request.output {
            row("", &format!("  {} | {}", shown(&request.instance), shown(&line.text)));
        }
    }
    if let Some(rule) = &finding.passes_with {
        row(
            "would pass",
            &format!("with {} what is recorded would not have been found worse", shown(rule)),
        );
    }
    text
}

fn heading(finding: &Finding) -> String {
    let what = match finding.kind {
        FindingKind::Errors => "errors",
        FindingKind::Latency => "latency",
        FindingKind::ClientErrors => "4xx",
        FindingKind::Redirects => "3xx",
    };
    let route = finding.route.as_deref().map(|route| format!(" on {}", shown(route)));
    let (since, route) = (shown(&finding.since), route.unwrap_or_default());
    format!("why: {what}{route}, since {since} ({:.1} s into the deploy)", finding.since_s)
}

fn counted(finding: &Finding, Hits { hits, requests }: Hits) -> String {
    let what = match finding.kind {
        FindingKind::Errors => "failed",
        FindingKind::Latency => "were slow",
        FindingKind::ClientErrors => "were responded to with 4xx",
        FindingKind::Redirects => "were responded to with 3xx",
    };
    let share = hits as f64 / requests.max(1) as f64 * 100.0;
    format!("{hits} of {requests} requests {what} ({share:.1} %)")
}

/// What it is compared with, and what that did.
fn compared(receipt: &Receipt, finding: &Finding) -> Option<(String, String)> {
    let previous = receipt.previous.as_deref().unwrap_or("before");
    let old = || format!("release {}", shown(previous));
    match (finding.compared_with, finding.limit) {
        (ComparedWith::OldRelease | ComparedWith::OldReleaseUntilEjected, _) => {
            Some((old(), counted(finding, finding.old)))
        }
        (ComparedWith::Siblings, _) => {
            Some(("its siblings".to_owned(), counted(finding, finding.old)))
        }
        (ComparedWith::Past, _) => {
            Some((old(), format!("by its past {:.1} would have", finding.expected)))
        }
        (ComparedWith::Limit, Some(max)) => {
            Some(("limit".to_owned(), format!("{} % may", (max * 1000.0).round() / 10.0)))
        }
        (ComparedWith::Limit, None) => None,
    }
}

/// What `confidence` means for it (docs/decisions/0074).
fn how_sure(finding: &Finding) -> String {
    let wrong = 1.0 / (1.0 - finding.confidence).max(f64::EPSILON);
    let asked = format!(
        "confidence = {}: at most 1 sound release in {wrong:.0} is ever called worse",
        finding.confidence
    );
    match finding.one_in {
        Some(one_in) => format!("looks so by chance once in {}; {asked}", rounded(one_in)),
        None => asked,
    }
}

fn rounded(one_in: f64) -> String {
    match one_in {
        1e9.. => "a billion".to_owned(),
        1e6.. => format!("{:.0} million", one_in / 1e6),
        1e3.. => format!("{:.0},000", (one_in / 1e3).floor()),
        _ => format!("{one_in:.0}"),
    }
}

fn describe(request: &FoundRequest) -> String {
    let route = request.route.as_deref().map(|route| format!("  {}", shown(route)));
    format!(
        "{}  {}{}  {}  {} after {}",
        shown(&request.at),
        shown(&request.id),
        route.unwrap_or_default(),
        shown(&request.instance),
        said(request),
        latency(request.latency_ms),
    )
}

/// How a request ended, in a word.
fn said(request: &FoundRequest) -> String {
    match (request.status, request.ending) {
        (None, RequestEnding::Failed) => "no whole response".to_owned(),
        (None, _) => "no status".to_owned(),
        // A gRPC status, a body that broke off, or a client that waited too long.
        (Some(status @ ..500), RequestEnding::Failed) => format!("{status}, and failed"),
        (Some(status), _) => status.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::progress) fn finding() -> Finding {
        serde_json::from_value(serde_json::json!({
            "kind": "errors", "compared_with": "old_release", "route": "/pay",
            "instances": [{ "instance": "api-3", "hits": 13 }, { "instance": "api-4", "hits": 11 }],
            "since_s": 3.2, "since": "2026-11-27T06:00:03.2Z",
            "new": { "hits": 24, "requests": 40 }, "old": { "hits": 0, "requests": 161 },
            "expected": 0.0, "one_in": 12_345.6, "confidence": 0.99,
            "requests": [
                {
                    "id": "0123456789abcdef", "at": "2026-11-27T06:00:05Z", "route": "/pay",
                    "instance": "api-3", "status": 500, "ending": "failed", "latency_ms": 1.25,
                    "output": [{ "at": "2026-11-27T06:00:05Z", "text": "panic: \u{1b}[2Jno such table" }],
                },
                {
                    "id": "fedcba9876543210", "at": "2026-11-27T06:00:04Z", "instance": "api-4",
                    "ending": "failed", "latency_ms": 30.0,
                },
            ],
            "passes_with": "confidence=0.9999",
        }))
        .unwrap()
    }

    #[test]
    fn a_line_names_some_of_the_requests() {
        insta::assert_snapshot!(
            in_a_line(&finding()).unwrap(),
            @"requests: 0123456789abcdef (api-3, 500), fedcba9876543210 (api-4, no whole response)"
        );
        assert_eq!(in_a_line(&Finding { requests: Vec::new(), ..finding() }), None);
    }

    #[test]
    fn beside_a_limit_a_past_and_siblings_it_says_what_that_is() {
        let receipt = super::super::tests::receipt("rolled-back", None);
        let said = |compared_with, limit| {
            let finding = Finding { compared_with, limit, expected: 1.5, ..finding() };
            compared(&receipt, &finding).map(|(name, what)| format!("{name}: {what}"))
        };
        assert_eq!(said(ComparedWith::Limit, Some(0.015)).unwrap(), "limit: 1.5 % may");
        assert_eq!(
            said(ComparedWith::Past, None).unwrap(),
            "release 1: by its past 1.5 would have"
        );
        assert!(said(ComparedWith::Siblings, None).unwrap().starts_with("its siblings: 0 of 161"));
    }
}
