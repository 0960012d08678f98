//! `tls` of a listener: the certificates that it shows.

use model::{ClientAuth, HostMatch, ListenerName, TlsCertificate};

use super::client_auth;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, file, optional};
use crate::schema::{Absent, Empty, FILE, Format, Key, Shape, Table};
use crate::section::Section;
use crate::tables::acme::{Stand, Wish, parse_email};
use crate::value::host;

pub(crate) const KEY: Key = Key::new(
    "tls",
    Shape::Table(&TLS),
    Absent::Means("clear text"),
    "{ certificates = [{ cert = \"fullchain.pem\", key = \"privkey.pem\" }] }",
    "Speak TLS.",
)
.aka(&["ssl", "https", "certificate", "certificates", "cert"]);

pub(crate) static TLS: Table = Table {
    header: "[listeners.NAME.tls]",
    noun: "TLS",
    doc: "TLS 1.2 and 1.3.",
    keys: &[
        Key::new(
            "acme",
            Shape::Either(&ORDERED),
            Absent::Means("none are"),
            "\"ops@example.com\"",
            "Have certificates ordered of a CA and renewed, for each host of the routes: the email that the CA may write to, or a table that names the hosts, too. `[acme]` says of whom. A host whose \
             certificate has not come gets none, and no connection.",
        )
        .aka(&["email", "letsencrypt", "auto", "auto_https", "certresolver", "certResolver"]),
        Key::new(
        "certificates",
        Shape::List { of: &Shape::Table(&CERTIFICATE), empty: Empty::Refused },
        Absent::Means("those that are ordered, by `acme` or `internal`"),
        "[{ cert = \"fullchain.pem\", key = \"privkey.pem\" }]",
        "The certificates, chosen by the name that the client asks for. Clients whose name \
         matches none get the first; where there is none, no connection. They go before those that are ordered.",
    )
    .aka(&["cert", "certificate", "key", "certs", "ssl_certificate"]),
        Key::new(
            "internal",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Have a CA of Plimsoll's own issue certificates for the hosts of the routes, and for `localhost` and the loopback addresses. Clients believe it once they are given its root, which \
             `plimsoll certificates --ca` prints. Hosts that `acme` orders of a CA, here or at another listener, have those.",
        )
        .aka(&["local", "self_signed", "dev", "local_certs"]),
        client_auth::KEY,
    ],
    later: &[],
};

static ORDERED: [Shape; 2] = [Shape::Text(&EMAIL), Shape::Table(&ACME)];

pub(crate) const EMAIL: Format =
    Format { noun: "an email address", pattern: Some("^[^@ ,]+@[^@ ,]+$") };
pub(crate) const HOST: Format =
    Format { noun: "a host such as \"shop.example.com\"", pattern: None };

static ACME: Table = Table {
    header: "[listeners.NAME.tls.acme]",
    noun: "certificates that are ordered",
    doc: "Which certificates are ordered for this listener, each for one host or wildcard.",
    keys: &[
        Key::new(
            "email",
            Shape::Text(&EMAIL),
            Absent::Fault,
            "\"ops@example.com\"",
            "Whom the CA may write to. The account with it is opened under this address.",
        )
        .aka(&["mail", "contact", "account"]),
        Key::new(
            "hosts",
            Shape::List { of: &Shape::Text(&HOST), empty: Empty::Refused },
            Absent::Means("the hosts of all routes"),
            "[\"shop.example.com\"]",
            "The hosts that get a certificate. A wildcard needs `[acme]`'s `dns`.",
        )
        .aka(&["domains", "names", "host", "domain"]),
    ],
    later: &[],
};

pub(crate) static CERTIFICATE: Table = Table {
    header: "[[listeners.NAME.tls.certificates]]",
    noun: "a certificate",
    doc: "A certificate and its key. Both files are read again on each reload, and within seconds of being replaced; relative paths start \
          at the directory of the file in which they stand.",
    keys: &[
        Key::new(
            "cert",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"fullchain.pem\"",
            "The chain as PEM, the server's own certificate first.",
        )
        .aka(&["certificate", "chain", "crt", "ssl_certificate"]),
        Key::new(
            "key",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"privkey.pem\"",
            "The private key as PEM: PKCS#8, PKCS#1 or SEC1.",
        )
        .aka(&["private_key", "privkey", "ssl_certificate_key"]),
    ],
    later: &[],
};

/// What certificates a listener has, and asks for.
#[derive(Default)]
pub(crate) struct Tls {
    pub(crate) certificates: Vec<TlsCertificate>,
    /// Which hosts they are is known once the routes are.
    pub(crate) ordered: Option<Vec<String>>,
    pub(crate) client_auth: Option<ClientAuth>,
}

pub(crate) fn read(
    tls: &Section<'_>,
    listener: Option<&ListenerName>,
    context: &mut Context<'_>,
) -> Tls {
    let origin = context.origin;
    if tls.has(client_auth::KEY.name) || tls.is_meant(client_auth::KEY.name) {
        context.asking_listeners.extend(listener.cloned());
    }
    let client_auth =
        optional(tls, client_auth::KEY.name, |table| client_auth::read(table, origin));
    let is_internal = tls.flag("internal");
    let node = match is_internal || tls.has("acme") {
        true => tls.node("certificates"),
        false => tls.require("certificates"),
    };
    let certificates = node.map(|node| {
        node.items().filter_map(|item| certificate(&item.section()?, origin)).collect()
    });
    let acme = tls.node("acme");
    if let (Some(node), Some(listener)) = (&acme, listener) {
        context.acme.of_cas.extend(wish(node, tls, listener));
    }
    if is_internal {
        context.acme.internal.extend(listener.cloned());
    }
    let ordered = (is_internal || acme.is_some()).then(Vec::new);
    Tls { certificates: certificates.unwrap_or_default(), ordered, client_auth }
}

fn wish(node: &Node<'_>, tls: &Section<'_>, listener: &ListenerName) -> Option<Wish> {
    let (email, hosts) = match node.is_table() {
        true => {
            let table = node.section()?;
            let email = table.require("email").and_then(|node| node.parse(parse_email));
            let hosts = table.node("hosts").map(|node| {
                distinct(node.items(), "host", |item| item.parse(parse_host), Clone::clone)
            });
            (email?, hosts)
        }
        false => (node.parse(parse_email)?, None),
    };
    let span = tls.entry_span("acme").unwrap_or_else(|| node.span());
    let place = Stand { key: format!("listeners.{listener}.tls.acme"), span };
    Some(Wish { listener: listener.clone(), email, hosts, place })
}

pub(crate) fn parse_host(text: &str) -> Result<String, Flaw> {
    match host::parse_match(text)? {
        HostMatch::Exact(name) if host::is_address(&name) => Err(Flaw::invalid(
            format!("`{name}` is an address"),
            "clients ask for no address by name, so that its certificate would never be shown",
            "name a host",
        )),
        HostMatch::Exact(name) => Ok(name),
        // Whether it can be proven `[acme]` says.
        wildcard => Ok(wildcard.to_string()),
    }
}

pub(crate) fn certificate(section: &Section<'_>, origin: &Origin) -> Option<TlsCertificate> {
    let cert = section.require("cert");
    let cert = cert.and_then(|node| file::existing(&node, "the certificate", origin));
    let key = section.require("key");
    let key = key.and_then(|node| file::existing(&node, "the private key", origin));
    Some(TlsCertificate { cert: cert?, key: key? })
}
