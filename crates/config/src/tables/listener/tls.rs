//! `tls` of a listener.

use model::TlsCertificate;

use crate::environment::Origin;
use crate::read::file;
use crate::schema::{Absent, Empty, FILE, Key, Later, Shape, Table};
use crate::section::Section;

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
    keys: &[Key::new(
        "certificates",
        Shape::List { of: &Shape::Table(&CERTIFICATE), empty: Empty::Refused },
        Absent::Fault,
        "[{ cert = \"fullchain.pem\", key = \"privkey.pem\" }]",
        "The certificates, chosen by the name that the client asks for. Clients whose name \
         matches none get the first.",
    )
    .aka(&["cert", "certificate", "key", "certs", "ssl_certificate"])],
    later: &[Later { name: "acme", what: "certificates from an ACME authority" }],
};

pub(crate) static CERTIFICATE: Table = Table {
    header: "[[listeners.NAME.tls.certificates]]",
    noun: "a certificate",
    doc: "A certificate and its key. Both files are read again on each reload, and within seconds of being replaced; relative paths start \
          at the directory of the configuration.",
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

pub(crate) fn read(tls: &Section<'_>, origin: &Origin) -> Vec<TlsCertificate> {
    let node = match tls.has_later() {
        true => tls.node("certificates"),
        false => tls.require("certificates"),
    };
    let Some(node) = node else {
        return Vec::new();
    };
    node.items().filter_map(|item| certificate(&item.section()?, origin)).collect()
}

fn certificate(section: &Section<'_>, origin: &Origin) -> Option<TlsCertificate> {
    let cert = section.require("cert");
    let cert = cert.and_then(|node| file::existing(&node, "the certificate", origin));
    let key = section.require("key");
    let key = key.and_then(|node| file::existing(&node, "the private key", origin));
    Some(TlsCertificate { cert: cert?, key: key? })
}
