//! `plimsoll explain`: which route a request would take, and why.

use std::net::IpAddr;
use std::path::Path;

use admin::{Basis, Candidate, ClientError, Explanation, Outcome, Question, Share, ShareBy};
use anstyle::{AnsiColor, Style};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Endpoint, Form};
use crate::table::{Cell, Column, Table};
use crate::{output, sealed};

/// Show which route a request takes and why, and which instance gets it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sends no request. Asks the running Plimsoll; if none runs, or with --offline, the result comes
from the file alone and names no instance.

Examples:
  plimsoll explain GET http://shop.example.com/cart
  plimsoll explain POST shop.example.com/cart -H 'cookie: beta=1' --from 10.1.2.3
  plimsoll explain GET /health --offline -c new.toml")]
pub(crate) struct Options {
    /// The request's method
    #[arg(value_parser = method)]
    method: String,
    /// The request's URL; without a host, one that names none
    #[arg(value_parser = url)]
    url: String,
    /// A header of the request; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The client, or a proxy before it
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    from: IpAddr,
    /// Use the file alone, even if Plimsoll runs
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { method, url, headers, from, offline, at, form } = options;
    let question = question(method, &url, headers, from);
    let asked = question.url.clone();
    let told = if offline { None } else { ask(&at, &question)? };
    let is_running = told.is_some();
    let (explanation, basis) = match told {
        Some(explanation) => (explanation, "as it is served now".to_owned()),
        None => {
            let here = at.here("explain --offline", "it reads a file on this machine")?;
            let file = here.served_file()?;
            let why = if offline { "" } else { " (plimsoll is not running)" };
            (work_out(&file, question)?, format!("as {} says{why}", file.display()))
        }
    };
    match form.json {
        true => output::json(&explanation),
        false => {
            output::out(&draw(&explanation, &asked, &basis));
            if let Outcome::Forward { shares } = &explanation.outcome
                && is_running
            {
                output::out(&idle(&at, shares));
            }
        }
    }
    Ok(Exit::Done)
}

/// Those services among which the request is shared that have no release yet, each with what brings one.
fn idle(at: &Endpoint, shares: &[Share]) -> String {
    let status = at.client().ok().and_then(|client| {
        super::block_on(async { Ok(client.status().await.ok()) }).ok().flatten()
    });
    let services = status.into_iter().flat_map(|status| status.services);
    let meant = services.filter(|it| shares.iter().any(|share| share.service == it.name));
    let idle = meant.filter_map(|it| Some((it.name, it.run?.idle?)));
    idle.map(|(name, deploy)| format!("! {}: no release yet: {}\n", shown(&name), shown(&deploy)))
        .collect()
}

/// What the running Plimsoll says; none if there is none.
fn ask(at: &Endpoint, question: &Question) -> Result<Option<Explanation>, Failure> {
    let client = at.client()?;
    super::block_on(async {
        match client.explain(question).await {
            Ok(explanation) => Ok(Some(explanation)),
            Err(ClientError::NotRunning { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
}

fn work_out(file: &Path, question: Question) -> Result<Explanation, Failure> {
    let loaded = config::load(file, &sealed::environment())?;
    let said = control::Question::from(question).explain(&loaded.intent)?;
    Ok(Explanation::new(Basis::File, &said))
}

/// The request as curl would send it: without a scheme it is http, and a header `Host` says more
/// than the URL.
fn question(method: String, url: &str, headers: Vec<(String, String)>, from: IpAddr) -> Question {
    let (host, headers): (Vec<_>, Vec<_>) =
        headers.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("host"));
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (named, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.last().map_or(named, |(_, host)| host);
    let url = match host {
        "" => target.to_owned(),
        host => format!("{scheme}://{host}{target}"),
    };
    Question { method, url, headers, from: Some(from) }
}

/// The methods that are commonly asked for. Methods are case-sensitive (RFC 9110 §9.1).
const METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    match METHODS.contains(&&*upper) && text != upper {
        true => Err(format!("methods are case-sensitive; write {upper}")),
        false => Ok(text.to_owned()),
    }
}

/// One word may be meant as a host or as a path, and is read as neither.
fn url(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        true if text != "localhost" => Err(format!(
            "a URL begins with its host, or with / where it names none; write /{text} or http://{text}/"
        )),
        _ => Ok(text.to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a header is written 'name: value'".to_owned()),
    }
}

fn draw(explanation: &Explanation, url: &str, basis: &str) -> String {
    let Explanation { request, routes, policies, who, outcome, .. } = explanation;
    let (method, path, from) = (&request.method, &request.path, request.from);
    let url = if request.host.is_empty() { format!("{url} (no host)") } else { url.to_owned() };
    // Routes are matched by another path than the one that was written: that is worth to be seen.
    let target = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let asked = target.find('/').map_or("/", |at| &target[at..]);
    let asked = asked.split(['?', '#', ' ']).next().unwrap_or_default();
    let seen = if asked == path { String::new() } else { format!(", seen as {path}") };
    let at = match &request.listener {
        Some(listener) => format!(" at listener {listener}"),
        None => String::new(),
    };
    let asked = format!("{method} {url}{seen} from {from}{at}, {basis}");
    let mut text = format!("{}\n\n", shown(&asked));
    if !routes.is_empty() {
        text.push_str(&table(routes).render());
        text.push('\n');
    }
    for policy in policies {
        text.push_str(&format!("  it {}\n", shown(policy)));
    }
    for line in who {
        text.push_str(&format!("  {}\n", shown(line)));
    }
    text.push_str(&draw_outcome(outcome));
    text
}

fn table(routes: &[Candidate]) -> Table {
    let mut table = Table::new([
        Column::Left(""),
        Column::Right("#"),
        Column::Left("ROUTE"),
        Column::Left("WHY NOT"),
    ]);
    let good = Style::new().bold().fg_color(Some(AnsiColor::Green.into()));
    for candidate in routes {
        let (sign, style) = match candidate.lost {
            None => ("->", good),
            Some(_) => ("", Style::new()),
        };
        table.row([
            Cell::styled(sign, style),
            candidate.number.to_string().into(),
            Cell::styled(&candidate.route, style),
            candidate.lost.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

fn draw_outcome(outcome: &Outcome) -> String {
    let line = match outcome {
        Outcome::Forward { shares } => return draw_shares(shares),
        Outcome::Redirect { to, status } => format!("it is redirected to {to} with {status}"),
        Outcome::Respond { status } => format!("the response is {status}"),
        Outcome::Refused { status, why } => format!("the response is {status}: {why}"),
        Outcome::Depends { auth } => {
            format!("it depends on its credential, which `{auth}` checks for real requests only")
        }
    };
    format!("{}\n", shown(&line))
}

fn draw_shares(shares: &[Share]) -> String {
    let sum: u32 = shares.iter().map(|share| share.weight).sum();
    let mut text = String::new();
    for share in shares {
        let Some(by) = share.by else { continue };
        let service = &share.service;
        let mut line = match by {
            ShareBy::Alone => format!("it goes to service {service}"),
            ShareBy::Cookie => format!("it goes to service {service}, whose cookie the client has"),
            ShareBy::Chance => format!("{} of {sum} go to service {service}", share.weight),
        };
        if let Some(instance) = &share.instance {
            line.push_str(&format!(", instance {}", instance.name));
            if instance.name != instance.address {
                line.push_str(&format!(" ({})", instance.address));
            }
            line.push_str(&format!(", by {}", instance.why));
            if let Some(why) = &instance.tls_fault {
                line.push_str(&format!("; the last TLS handshake with it failed: {why}"));
            }
        }
        if let Some(why) = &share.refused {
            let status = share.status.unwrap_or(503);
            line.push_str(&format!(", but the response is {status}: {why}"));
        }
        text.push_str(&format!("{}\n", shown(&line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        let host = [("Host".to_owned(), "b".to_owned())];
        for (url, headers, expected) in [
            ("a.test/x?y", &[][..], "http://a.test/x?y"),
            ("https://a.test", &[], "https://a.test"),
            ("a.test?y", &[], "http://a.test?y"),
            ("/x", &[], "/x"),
            ("/x", &host, "http://b/x"),
            ("https://a.test:8443/x", &host, "https://b/x"),
        ] {
            let from = [127, 0, 0, 1].into();
            let question = question("GET".to_owned(), url, headers.to_vec(), from);
            assert_eq!(question.url, expected);
            assert!(question.headers.is_empty());
        }
    }
}
