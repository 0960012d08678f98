//! `tls` of `[admin]`: the certificate that clients of the API are shown.

use std::net::IpAddr;

use model::AdminTls;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct};
use crate::schema::{Absent, Empty, FILE, Key, Shape, Table};
use crate::section::Section;
use crate::tables::acme::{AdminIssuer, AdminWish, Stand, parse_email};
use crate::tables::listener::tls::{EMAIL, HOST, certificate, parse_host};

pub(super) const KEY: Key = Key::new(
    "tls",
    Shape::Table(&TLS),
    Absent::Means(
        "clear text, which only a loopback address may speak, unless `plain_text` is set",
    ),
    "{ cert = \"admin.pem\", key = \"admin.key\" }",
    "Speak TLS at `bind`.",
)
.aka(&["ssl", "https", "certificate", "certificates"]);

/// Those that say whose the certificate is.
const ISSUERS: [&str; 3] = ["cert", "acme", "internal"];

pub(super) static TLS: Table = Table {
    header: "[admin.tls]",
    noun: "TLS of the admin API",
    doc: "TLS 1.2 and 1.3, with a certificate from files, which are read again on each reload and within seconds of being replaced; or with \
          ordered ones, which are renewed as those of listeners are.",
    keys: &[
        Key::new(
            "cert",
            Shape::Text(&FILE),
            Absent::Means("one that is ordered, by `acme` or `internal`"),
            "\"admin.pem\"",
            "The chain as PEM, the server's own certificate first.",
        )
        .aka(&["certificate", "chain", "crt"]),
        Key::new(
            "key",
            Shape::Text(&FILE),
            Absent::Means("that of an ordered certificate"),
            "\"admin.key\"",
            "The private key as PEM: PKCS#8, PKCS#1 or SEC1.",
        )
        .aka(&["private_key", "privkey"]),
        Key::new(
            "acme",
            Shape::Either(&ORDERED),
            Absent::Flag(false),
            "true",
            "Show certificates that are ordered of a CA, by the host that a client asks for. `true` where a listener's `tls.acme` says whom the CA may write to; \
             otherwise the email itself.",
        )
        .aka(&["email", "letsencrypt", "auto"]),
        Key::new(
            "internal",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Show certificates of Plimsoll's own CA: for `localhost` and the loopback addresses, and for `hosts`. `plimsoll certificates --ca` prints its root, and `--cacert` takes it.",
        )
        .aka(&["local", "self_signed"]),
        Key::new(
            "hosts",
            Shape::List { of: &Shape::Text(&HOST), empty: Empty::Refused },
            Absent::Means("the hosts whose certificates the same CA issues for listeners"),
            "[\"edge.example.com\"]",
            "The hosts that the API is asked by, each of which gets a certificate. With `internal` an address, too: clients that ask an address get the certificate of the first one.",
        )
        .aka(&["host", "domains", "names", "domain", "server_name"]),
    ],
    later: &[],
};

static ORDERED: [Shape; 2] = [Shape::Flag, Shape::Text(&EMAIL)];

/// What is said of the certificate.
pub(super) enum Said {
    /// It is this one.
    Here(AdminTls),
    /// It is ordered: which hosts it is for is known once the routes are.
    Ordered(AdminWish),
}

/// Reads what `tls` of `admin` says; `None` where that is nothing, or wrong.
pub(super) fn read(admin: &Section<'_>, context: &Context<'_>) -> Option<Said> {
    let node = admin.node(KEY.name)?;
    let tls = node.section()?;
    let acme = tls.node("acme").and_then(|node| acme(&node));
    let is_internal = tls.flag("internal");
    let parse = match is_internal {
        true => parse_internal,
        false => parse_host,
    };
    let hosts = tls
        .node("hosts")
        .map(|node| distinct(node.items(), "host", |item| item.parse(parse), Clone::clone));
    let is_file = tls.has("cert") || tls.has("key");
    let said = [is_file, acme.is_some(), is_internal].into_iter().filter(|it| *it).count();
    if said != 1 {
        if !ISSUERS.into_iter().any(|key| tls.is_meant(key)) {
            report_choice(&node, said);
        }
        return None;
    }
    if is_file {
        warn_of_hosts(&tls);
        return certificate(&tls, context.origin).map(AdminTls::File).map(Said::Here);
    }
    let span = admin.entry_span(KEY.name).unwrap_or_else(|| node.span());
    let place = Stand { key: "admin.tls".to_owned(), span };
    let issuer = acme.unwrap_or(AdminIssuer::Internal);
    Some(Said::Ordered(AdminWish { issuer, hosts, place }))
}

fn acme(node: &Node<'_>) -> Option<AdminIssuer> {
    match node.is_flag() {
        true => node.flag().filter(|is_on| *is_on).map(|_| AdminIssuer::CaOfListeners),
        false => node.parse(parse_email).map(AdminIssuer::Ca),
    }
}

/// An address clients do not ask for by name, but Plimsoll's own CA issues certificates for it.
fn parse_internal(text: &str) -> Result<String, Flaw> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => parse_host(text),
    }
}

fn report_choice(node: &Node<'_>, said: usize) {
    let hint = "write `{ cert = \"admin.pem\", key = \"admin.key\" }`, `{ acme = true }` or `{ internal = true }`";
    node.report(match said {
        0 => Flaw::new(
            Code::Missing,
            "TLS of the admin API has no certificate",
            "neither `cert`, `acme` nor `internal` says which",
            hint,
        ),
        _ => Flaw::new(
            Code::Conflict,
            "TLS of the admin API has more than one certificate",
            "one of `cert`, `acme` and `internal` says which",
            hint,
        ),
    });
}

fn warn_of_hosts(tls: &Section<'_>) {
    if tls.has("hosts") {
        let flaw = Flaw::new(
            Code::NoEffect,
            "`hosts` does nothing beside `cert`",
            "a certificate from a file says itself which hosts it is for",
            "remove it",
        );
        tls.report_at("hosts", flaw, &[]);
    }
}
