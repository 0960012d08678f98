//! Certificates that are ordered: whether a CA would find what it looks for, as far as that can be seen from here.
//!
//! Nobody outside is asked, and no CA: what is told are names that lead elsewhere, and ways that end at no listener.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use config::Severity;
use model::{ClientDemand, Intent, Listener};

use super::{Finding, Notes};

/// Where CAs look (RFC 8555 section 8.3, RFC 8737 section 3).
const HTTP: u16 = 80;
const TLS: u16 = 443;

/// So many names are looked up, and all of them within this time.
const NAMES_MAX: usize = 200;
const WITHIN: Duration = Duration::from_secs(5);

pub(super) fn look(notes: &Notes<'_>) -> Vec<Finding> {
    let Some(acme) = &notes.intent.acme else { return Vec::new() };
    let hosts = ordered(notes.intent);
    // A record in the DNS proves a name wherever that leads, whether or not this machine is reached.
    if acme.dns.is_some() || hosts.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<_> = ways(notes).into_iter().collect();
    // A private CA may see other names, and reach other addresses.
    if acme.ca.is_some() {
        return findings;
    }
    let machine = Machine::of_this();
    let found = look_up(hosts.into_iter().take(NAMES_MAX).collect());
    let told = found.into_iter().filter_map(|(host, addresses)| {
        let (what, hint) = machine.fault(&host, addresses.as_deref())?;
        Some(notes.finding(&["acme"], format!("host `{host}`"), Severity::Warning, what).hint(hint))
    });
    findings.extend(told);
    findings
}

/// The hosts whose certificates are ordered of a CA.
fn ordered(intent: &Intent) -> BTreeSet<String> {
    let all = intent.ordered_hosts();
    all.filter(|host| !intent.internal.contains(*host)).cloned().collect()
}

/// What is told where no listener is where a CA looks.
fn ways(notes: &Notes<'_>) -> Option<Finding> {
    let listeners = || notes.intent.listeners.values();
    let is_at = |it: &Listener, port: u16| it.bind.iter().any(|address| address.port() == port);
    let is_of_ca = |host: &String| !notes.intent.internal.contains(host);
    let orders = |it: &Listener| it.ordered.iter().flatten().any(is_of_ca);
    let needs = |it: &Listener| {
        it.client_auth.as_ref().is_some_and(|auth| auth.demand == ClientDemand::Required)
    };
    let shows = |it: &Listener| orders(it) && !needs(it);
    let (has_http, has_tls) = (listeners().any(|it| !it.is_tls()), listeners().any(|it| shows(it)));
    let at_http = listeners().any(|it| !it.is_tls() && is_at(it, HTTP));
    let at_tls = listeners().any(|it| shows(it) && is_at(it, TLS));
    let (severity, what, hint) = if !has_http && !has_tls {
        (
            Severity::Error,
            "no CA can be convinced: it shows no certificate of its own, which every TLS listener wants, and there is none of clear text",
            "add a listener of clear text at port 80 (http-01), or say by `[acme]`'s `dns` who changes the zone",
        )
    } else if !at_http && !at_tls {
        (
            Severity::Warning,
            "a CA looks at port 80 and at port 443, and no listener that could respond is at either",
            "that is right where these ports are mapped to listeners here; otherwise `bind` one of clear text to port 80, or the TLS one to port 443",
        )
    } else {
        return None;
    };
    let listener = listeners().find(|it| orders(it))?;
    let path = ["listeners", listener.name.as_str(), "tls"];
    let about = format!("listener `{}`", listener.name);
    Some(notes.finding(&path, about, severity, what.to_owned()).hint(hint))
}

/// The addresses of each host, in their order; `None` where it has none. What is not known in time is left out.
fn look_up(hosts: Vec<String>) -> Vec<(String, Option<Vec<IpAddr>>)> {
    let (tell, told) = mpsc::channel();
    let wanted = hosts.len();
    for (index, host) in hosts.into_iter().enumerate() {
        let tell = tell.clone();
        // It ends with the program at the latest.
        let begun = thread::Builder::new().spawn(move || {
            let found = (host.as_str(), HTTP).to_socket_addrs();
            let found = found.ok().map(|it| it.map(|address| address.ip()).collect());
            // Nobody may wait for it any more.
            let _ = tell.send((index, host, found));
        });
        if begun.is_err() {
            break;
        }
    }
    drop(tell);
    let until = Instant::now() + WITHIN;
    let mut found = Vec::new();
    while found.len() < wanted
        && let Ok(one) = told.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        found.push(one);
    }
    found.sort_by_key(|(index, ..)| *index);
    found.into_iter().map(|(_, host, addresses)| (host, addresses)).collect()
}

/// What is known of where this machine is.
struct Machine {
    /// Whether an address is one of its own.
    is_own: fn(IpAddr) -> bool,
    /// Whether it has a public one: without, somebody else stands before it whose address is not known here.
    is_public: bool,
}

impl Machine {
    fn of_this() -> Self {
        Self { is_own, is_public: has_public() }
    }

    /// What is wrong with the `addresses` that `host` has, and what to do about it.
    fn fault(&self, host: &str, addresses: Option<&[IpAddr]>) -> Option<(String, String)> {
        let addresses = addresses.unwrap_or_default();
        if addresses.is_empty() {
            return Some((
                format!(
                    "`{host}` has no address that can be found from here: a CA that looks for it finds nobody"
                ),
                format!("add an A or AAAA record of {host} that leads to this machine"),
            ));
        }
        if let Some(private) = addresses.iter().find(|it| !is_public(**it)) {
            return Some((
                format!("`{host}` leads to {private}, which no public CA reaches"),
                format!(
                    "have the public records (A, AAAA) of {host} lead to where this machine is reached from outside; here another answer may be right"
                ),
            ));
        }
        if !self.is_public {
            return None;
        }
        let strange = addresses.iter().find(|it| !(self.is_own)(**it))?;
        Some((
            format!("`{host}` leads to {strange}, which is no address of this machine"),
            format!(
                "have all A and AAAA records of {host} lead here, unless what is there passes port 80 or 443 on to this machine"
            ),
        ))
    }
}

/// Whether this machine has `address`: it can be sent from.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

/// Whether this machine is on the Internet by an address of its own. No packet is sent for it.
fn has_public() -> bool {
    let somewhere = [
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        (
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        ),
    ];
    somewhere.into_iter().any(|(any, outside)| {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0));
        let source = socket.and_then(|socket| {
            socket.connect(SocketAddr::new(outside, 9))?;
            socket.local_addr()
        });
        source.is_ok_and(|it| is_public(it.ip()))
    })
}

/// Whether `address` is one that others on the Internet can reach.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let [a, b, ..] = it.octets();
            // RFC 6598: what a provider has before its customers.
            let is_shared = a == 100 && (64..128).contains(&b);
            !(it.is_private()
                || it.is_loopback()
                || it.is_link_local()
                || it.is_unspecified()
                || is_shared)
        }
        IpAddr::V6(it) => {
            !(it.is_loopback()
                || it.is_unspecified()
                || it.is_unique_local()
                || it.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::{Environment, Places};

    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_told_where_that_can_be_known() {
        let (own, other, private) = ("203.0.113.7", "203.0.113.8", "10.0.0.7");
        for (is_public, addresses, part) in [
            (true, vec![own], None),
            (true, vec![own, other], Some("203.0.113.8, which is no address of this machine")),
            (true, vec![other], Some("203.0.113.8, which")),
            // Who stands before it may have any.
            (false, vec![other], None),
            (false, vec![private], Some("10.0.0.7, which no public CA reaches")),
            (true, vec![own, "::1"], Some("::1, which no public CA reaches")),
            (true, vec![], Some("has no address")),
        ] {
            let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            let is_own = |it| it == IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
            let fault = Machine { is_own, is_public }.fault("shop.example.com", Some(&addresses));
            let what = fault.map(|(what, _)| what);
            match part {
                Some(part) => {
                    assert!(what.as_ref().is_some_and(|it| it.contains(part)), "{what:?}")
                }
                None => assert_eq!(what, None, "{addresses:?}"),
            }
        }
    }

    /// What is told of ways for these listeners: how bad it is, and what.
    fn told(listeners: &str) -> Option<(Severity, String)> {
        let text = format!(
            "{listeners}\n[[routes]]\nhost = \"shop.example.com\"\nrespond = {{ status = 204 }}\n"
        );
        let directory = tempfile::tempdir().unwrap();
        let path: &Path = &directory.path().join("plimsoll.toml");
        std::fs::write(path, text).unwrap();
        std::fs::write(directory.path().join("ca.pem"), "").unwrap();
        let environment = Environment::of_process();
        let intent = config::load(path, &environment).unwrap().intent;
        let places: Places = config::places(path, &environment);
        let found = ways(&Notes { places: &places, intent: &intent });
        found.map(|it| (it.severity, it.what))
    }

    #[test]
    fn ways_that_end_at_no_listener_are_told() {
        let secure = |port: u16, more: &str| {
            format!(
                "[listeners.secure]\nbind = \"127.0.0.1:{port}\"\ntls = {{ acme = \"ops@example.com\"{more} }}\n"
            )
        };
        let web = |port: u16| format!("[listeners.web]\nbind = \"127.0.0.1:{port}\"\n");
        let client = ", client_auth = { ca = \"ca.pem\" }";
        assert_eq!(told(&secure(443, "")), None);
        assert_eq!(told(&(secure(8443, "") + &web(80))), None);
        let (severity, what) = told(&(secure(8443, "") + &web(8080))).unwrap();
        assert!(
            severity == Severity::Warning && what.contains("port 80 and at port 443"),
            "{what}"
        );
        let (severity, what) = told(&secure(443, client)).unwrap();
        assert!(severity == Severity::Error && what.contains("shows no certificate"), "{what}");
        assert_eq!(told(&(secure(443, client) + &web(80))), None);
        assert!(told(&(secure(443, client) + &web(8080))).is_some());
    }
}
