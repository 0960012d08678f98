//! `plimsoll proxy`: a load balancer from the command line, without a file.
//!
//! What the options say is written down as a file would say it ([`document()`]) and read by the reader of files: there is
//! one way into the program, and `--print` shows the file to go on with. Its state is in a directory of its own, which
//! goes with it.

mod document;
mod room;

use std::net::IpAddr;
use std::path::PathBuf;

use config::{Code, Diagnostic, Environment, Loaded, Origin};
use control::{Adoption, After};
use driver::Started;
use model::Intent;

use crate::commands::run::{Greet, Order, Running};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::{output, own_process, reach};
use document::document;
use room::Room;
pub(crate) use room::{is_idle, running};

/// Balance requests over servers, without a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Checks each server, by a connection or with --health by a request, and sends requests to those that
are healthy. `plimsoll status` and `plimsoll explain` find it by the file that it names, and in any
directory without a plimsoll.toml where /etc/plimsoll/plimsoll.toml is not served. What it keeps
goes with it.

Examples:
  plimsoll proxy 127.0.0.1:9001 127.0.0.1:9002 --listen :8080
  plimsoll proxy :3000 --health /health --access-log
  plimsoll proxy a.internal:80 b.internal:80 --balance round_robin --sticky
  plimsoll proxy :9001 :9002 --print > plimsoll.toml    the same as a file, to go on with")]
pub(crate) struct Options {
    /// A server: an address or a name with a port; a port alone is on this machine
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Where to listen: an address with a port; `:8080` is every address of this machine
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Vec<String>,
    /// Check each server by requesting this path
    #[arg(long, value_name = "PATH")]
    health: Option<String>,
    /// How a server is chosen: least_conn, round_robin, random, p2c, ip_hash, peak_ewma, or a part of the
    /// request to hash: path, header:NAME, cookie:NAME, query:NAME [default: least_conn]
    #[arg(long, value_name = "WAY")]
    balance: Option<String>,
    /// Keep a client with its server, by a cookie
    #[arg(long)]
    sticky: bool,
    /// The largest request body, such as 50MiB or unlimited [default: 10MiB]
    #[arg(long, value_name = "SIZE")]
    body: Option<String>,
    /// Print a line for each request
    #[arg(long)]
    access_log: bool,
    /// Print the plimsoll.toml that says the same, and exit
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    let text = document(options, has_ipv6());
    let intent = read(&text)?;
    if options.print {
        // As a file it goes on where it lies.
        output::out(&text.replacen("[server]\n", "[server]\nstate_dir = \".plimsoll\"\n", 1));
        return Ok(Exit::Done);
    }
    let started = Started::of_this_process();
    own_process::shut();
    let room = Room::open(&text)?;
    let order = Order {
        file: room.file(),
        after: After::Stop,
        adoption: Adoption::Refused,
        crash: None,
        greet: &Greeting { out_of_reach: reach::faults(&targets(&intent)) },
        started,
    };
    let ended = order.serve();
    room.close();
    ended
}

/// What the options want, if it makes sense.
fn read(text: &str) -> Result<Intent, Failure> {
    let dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let name = "what plimsoll proxy was told".to_owned();
    let origin = Origin { name, dir, environment: Environment::of_process() };
    let refused = |faults: &[&Diagnostic]| Failure::of_options("proxy", faults.iter().copied());
    let read = config::parse(text, &origin);
    let Loaded { intent, warnings } =
        read.map_err(|faults| refused(&faults.iter().collect::<Vec<_>>()))?;
    // A file may be about to be changed. A server that is this very proxy is a mistake.
    let own: Vec<_> = warnings.iter().filter(|it| it.code == Code::Risky).collect();
    if own.is_empty() { Ok(intent) } else { Err(refused(&own)) }
}

/// Whether this machine has IPv6 at all: containers often do not.
fn has_ipv6() -> document::Ipv6 {
    match std::net::UdpSocket::bind("[::]:0") {
        Ok(_) => document::Ipv6::Present,
        Err(_) => document::Ipv6::Absent,
    }
}

/// Two lines: where it listens, and what it does; and a line for each server that does not respond yet.
struct Greeting {
    out_of_reach: Vec<reach::Fault>,
}

impl Greet for Greeting {
    fn greet(&self, running: &Running<'_>) {
        let urls: Vec<&str> = running.listeners.iter().map(|it| it.url.as_str()).collect();
        let targets = targets(&running.loaded.intent);
        let (urls, targets) = (urls.join(" and "), targets.join(" and "));
        let open = match running.listeners.iter().any(|it| is_open(&it.url)) {
            true => ", from every machine that reaches this one",
            false => "",
        };
        let mut text = format!(
            "plimsoll is listening on {urls}{open}\n\
             and sends requests to {}; `plimsoll status` shows how they are, Ctrl-C stops it\n",
            shown(&targets)
        );
        for fault in &self.out_of_reach {
            let line = format!("! {}: {}\n", fault.target, fault.reach.told());
            text.push_str(&line);
        }
        output::err(&text);
    }
}

/// The servers, as they were named.
fn targets(intent: &Intent) -> Vec<String> {
    let targets = intent.services.values().flat_map(|service| &service.targets);
    targets.map(|target| target.name.to_string()).collect()
}

/// Whether a URL is of every address of this machine.
fn is_open(url: &str) -> bool {
    let host = url.trim_start_matches("http://").rsplit_once(':').map_or("", |(host, _)| host);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_told_from_one() {
        for (url, expected) in [
            ("http://0.0.0.0:8080", true),
            ("http://[::]:8080", true),
            ("http://127.0.0.1:80", false),
            ("http://[::1]:80", false),
        ] {
            assert_eq!(is_open(url), expected, "{url}");
        }
    }
}
