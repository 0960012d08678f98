//! Which certificates are ordered, and of whom, by what `tls` of the listeners says and the routes have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use model::{Acme, HostMatch, Listener, ListenerName, Route};

use super::admin::{AdminIssuer, AdminWish};
use crate::diagnostic::Code;
use crate::faults::{Faults, Flaw, Spot};
use crate::value::host;

/// What `tls` of listeners asks for.
#[derive(Default)]
pub(crate) struct Wishes {
    /// `acme`
    pub(crate) of_cas: Vec<Wish>,
    /// `internal`
    pub(crate) internal: BTreeSet<ListenerName>,
    /// Of the admin API, where its certificates are ordered.
    pub(crate) admin: Option<AdminWish>,
}

/// Whom a CA may write to, and where that is said.
pub(super) struct Contact<'a> {
    pub(super) email: &'a str,
    pub(super) place: &'a Stand,
}

impl Wishes {
    /// Everyone whom a CA may write to, in the order of the file.
    pub(super) fn accounts(&self) -> impl Iterator<Item = Contact<'_>> {
        let listeners = self.of_cas.iter();
        let listeners = listeners.map(|it| Contact { email: &it.email, place: &it.place });
        let admin = self.admin.iter().filter_map(|it| match &it.issuer {
            AdminIssuer::Ca(email) => Some(Contact { email, place: &it.place }),
            AdminIssuer::CaOfListeners | AdminIssuer::Internal => None,
        });
        listeners.chain(admin)
    }
}

/// What a listener's `tls.acme` says.
pub(crate) struct Wish {
    pub(crate) listener: ListenerName,
    pub(crate) email: String,
    /// Those that it names, where it does.
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) place: Stand,
}

/// Where a wish stands.
#[derive(Clone)]
pub(crate) struct Stand {
    pub(crate) key: String,
    pub(crate) span: Range<usize>,
}

impl Stand {
    pub(super) fn report(&self, faults: &Faults<'_>, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        faults.add(Spot { key: self.key.clone(), span: self.span.clone() }, flaw, related);
    }
}

/// The name that a machine has for itself (RFC 6761 section 6.3).
pub(super) const LOCALHOST: &str = "localhost";

/// Who issues certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Issuer {
    /// A CA that everybody believes, and which goes by the rules for those.
    Public,
    /// One of somebody's own, which may issue what it likes.
    Private,
}

/// What becomes of routes with wildcards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    /// They can be proven by DNS.
    Ordered,
    /// The listener has certificates from files, which may be for them.
    FromFiles,
    Refused,
}

/// What is asked of a CA for a listener.
#[derive(Clone, Copy)]
struct Asked {
    issuer: Issuer,
    wildcards: Wildcards,
    /// Whether Plimsoll's own CA has the rest.
    is_internal: bool,
}

/// Gives each listener of `wishes` its hosts. These are those whose certificates are not ordered of a CA, but of Plimsoll's own.
pub(super) fn give(
    wishes: &Wishes,
    acme: &Acme,
    routes: &[Arc<Route>],
    listeners: &mut BTreeMap<ListenerName, Arc<Listener>>,
    faults: &Faults<'_>,
) -> BTreeSet<String> {
    let issuer = if acme.ca.is_none() { Issuer::Public } else { Issuer::Private };
    let mut of_cas = BTreeSet::new();
    for wish in &wishes.of_cas {
        let is_internal = wishes.internal.contains(&wish.listener);
        let hosts = match &wish.hosts {
            Some(hosts) => {
                if issuer == Issuer::Public {
                    refuse_unissuable(&wish.place, hosts, faults);
                }
                let wildcard = hosts.iter().find(|it| it.starts_with("*."));
                if let Some(wildcard) = wildcard.filter(|_| acme.dns.is_none()) {
                    refuse_wildcard(&wish.place, wildcard, faults);
                }
                hosts.iter().cloned().collect()
            }
            None => {
                let listener = listeners.get(&wish.listener);
                let has_files = listener.is_some_and(|it| !it.certificates.is_empty());
                let wildcards = match acme.dns.is_some() {
                    true => Wildcards::Ordered,
                    false if has_files => Wildcards::FromFiles,
                    false => Wildcards::Refused,
                };
                let asked = Asked { issuer, wildcards, is_internal };
                of_routes(wish, routes, asked, faults)
            }
        };
        of_cas.extend(hosts.iter().cloned());
        order(listeners, &wish.listener, hosts);
    }
    let mut internal = BTreeSet::new();
    for name in &wishes.internal {
        let hosts = routed(routes).chain([LOCALHOST.to_owned()]);
        let hosts: BTreeSet<_> = hosts.collect();
        internal.extend(hosts.difference(&of_cas).cloned());
        order(listeners, name, hosts);
        if let Some(listener) = listeners.get_mut(name) {
            Arc::make_mut(listener).nameless = Some(LOCALHOST.to_owned());
        }
    }
    internal
}

/// Has `hosts` ordered for the listener `name`, too.
fn order(
    listeners: &mut BTreeMap<ListenerName, Arc<Listener>>,
    name: &ListenerName,
    mut hosts: BTreeSet<String>,
) {
    if let Some(listener) = listeners.get_mut(name) {
        let listener = Arc::make_mut(listener);
        hosts.extend(listener.ordered.take().unwrap_or_default());
        listener.ordered = Some(hosts.into_iter().collect());
    }
}

/// The hosts that routes have, wildcards among them. Nobody asks for an address by name (RFC 6066 section 3).
fn routed(routes: &[Arc<Route>]) -> impl Iterator<Item = String> {
    let hosts = routes.iter().flat_map(|route| &route.matcher.hosts);
    let is_name = |it: &&HostMatch| !matches!(it, HostMatch::Exact(name) if host::is_address(name));
    hosts.filter(is_name).map(HostMatch::to_string)
}

pub(super) fn refuse_unissuable(place: &Stand, hosts: &[String], faults: &Faults<'_>) {
    let hosts: BTreeSet<_> = hosts.iter().collect();
    for (host, why) in hosts.iter().filter_map(|host| Some((host, unissuable(host)?))) {
        let what = format!("no public CA issues a certificate for `{host}`");
        let hint = "take it out, name a private CA by `[acme]`'s `directory` and `ca`, or have Plimsoll's own issue it, by `internal = true` beside `acme`";
        place.report(faults, Flaw::invalid(what, why, hint), &[]);
    }
}

/// The hosts of `routes` that certificates are ordered for.
fn of_routes(
    wish: &Wish,
    routes: &[Arc<Route>],
    asked: Asked,
    faults: &Faults<'_>,
) -> BTreeSet<String> {
    let (mut hosts, mut unissued) = (BTreeSet::new(), BTreeSet::new());
    let mut has_wildcards = false;
    for name in routed(routes) {
        let is_wildcard = name.starts_with("*.");
        match asked.wildcards {
            Wildcards::FromFiles if is_wildcard => {}
            Wildcards::Refused if is_wildcard => {
                // The first one tells of all.
                if !std::mem::replace(&mut has_wildcards, true) {
                    refuse_wildcard(&wish.place, &name, faults);
                }
            }
            _ if asked.issuer == Issuer::Public && unissuable(&name).is_some() => {
                unissued.insert(name);
            }
            _ => drop(hosts.insert(name)),
        }
    }
    if !asked.is_internal {
        unissued.iter().for_each(|name| warn_of_unissuable(wish, name, faults));
    }
    if hosts.is_empty() && !has_wildcards && !faults.has_errors() {
        let flaw = Flaw::new(
            Code::Missing,
            "there is no host to order a certificate for",
            "no route names one that a CA would take",
            "give the routes their `host`, or name the hosts here: `acme = { email = \"...\", hosts = [\"shop.example.com\"] }`",
        );
        wish.place.report(faults, flaw, &[]);
    }
    hosts
}

pub(super) fn refuse_wildcard(place: &Stand, wildcard: &str, faults: &Faults<'_>) {
    let flaw = Flaw::new(
        Code::Missing,
        format!("nothing can prove to a CA that `{wildcard}` is yours"),
        "CAs believe a wildcard by dns-01 alone, and there is no `dns` in `[acme]`",
        "say by `[acme]`'s `dns` who changes the zone; or name other hosts, by `tls.acme`'s `hosts`; or have its certificate from a file beside it, by `certificates`",
    );
    place.report(faults, flaw, &[]);
}

fn warn_of_unissuable(wish: &Wish, name: &str, faults: &Faults<'_>) {
    let flaw = Flaw::new(
        Code::NoEffect,
        format!("no certificate is ordered for `{name}`: no public CA issues one"),
        unissuable(name).unwrap_or_default(),
        "have Plimsoll's own CA issue one, by `internal = true` beside `acme`; name a private CA by `[acme]`'s `directory` and `ca`; or leave it to clear text",
    );
    wish.place.report(faults, flaw, &[]);
}

/// Ends of names that no public CA may issue for: reserved (RFC 2606, 6761, 6762, 7686, 8375), or of nobody.
const RESERVED: [&str; 13] = [
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "onion",
    "private",
    "test",
];

/// Why no public CA would issue a certificate for `host`; `None` where one may.
fn unissuable(host: &str) -> Option<&'static str> {
    let host = host.strip_prefix("*.").unwrap_or(host);
    let (_, end) = host.rsplit_once('.').unwrap_or(("", host));
    if RESERVED.contains(&end) {
        return Some("its end is reserved, so that nobody can prove that it is theirs");
    }
    if !host.contains('.') {
        return Some("it is no full name in the public DNS");
    }
    host.contains('_').then_some("names with underscores are not those of hosts")
}
