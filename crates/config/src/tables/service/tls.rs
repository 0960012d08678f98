//! `tls` of a service: TLS with its instances.

use model::{Scheme, ServiceTls, TlsCertificate};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{file, optional};
use crate::schema::{Absent, FILE, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::host;

use super::WE_RUN;

/// As it is, or with more.
static FORMS: [Shape; 2] = [Shape::Flag, Shape::Table(&TLS)];

pub(crate) const KEY: Key = Key::new(
    "tls",
    Shape::Either(&FORMS),
    Absent::Flag(false),
    "{ ca = \"internal.pem\", server_name = \"api.internal\" }",
    "Speak TLS with the instances, 1.2 or 1.3, and believe none whose certificate is not good for its name. Health checks go the same way.",
)
.aka(&["ssl", "https", "proxy_ssl", "scheme", "transport_socket", "backend_tls"]);

const SERVER_NAME: Format = Format { noun: "a host such as \"api.internal\"", pattern: None };

pub(crate) static TLS: Table = Table {
    header: "[services.NAME.tls]",
    noun: "TLS with instances",
    doc: "`tls = true` is short for a table without keys. The files are read again on each reload, and within seconds of being \
          replaced; relative paths start at the directory of the file in which they stand. What was replaced holds for new connections.",
    keys: &[
        Key::new(
            "ca",
            Shape::Text(&FILE),
            Absent::Means("the system's authorities, or those in `SSL_CERT_FILE`"),
            "\"internal.pem\"",
            "The authorities whose certificates are believed, as PEM, instead of the system's.",
        )
        .aka(&["ca_file", "cafile", "root", "roots", "trust", "trusted_ca", "proxy_ssl_trusted_certificate"]),
        Key::new(
            "server_name",
            Shape::Text(&SERVER_NAME),
            Absent::Means("each target's own: its name, or the address, which has to be among the certificate's addresses then"),
            "\"api.internal\"",
            "The host that instances are asked for (SNI), and that their certificates have to be for. Needed for instances that Plimsoll runs.",
        )
        .aka(&["sni", "name", "host", "hostname", "verify_hostname", "proxy_ssl_name"]),
        Key::new(
            "client",
            Shape::Table(&CLIENT),
            Absent::Means("none"),
            "{ cert = \"client.pem\", key = \"client.key\" }",
            "The certificate that is shown to instances that ask for one.",
        )
        .aka(&["client_cert", "client_certificate", "certificate", "cert", "key", "proxy_ssl_certificate"]),
    ],
    later: &[],
};

pub(crate) static CLIENT: Table = Table {
    header: "[services.NAME.tls.client]",
    noun: "a certificate for instances",
    doc: "A certificate and its key.",
    keys: &[
        Key::new(
            "cert",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"client.pem\"",
            "The chain as PEM, the own certificate first.",
        )
        .aka(&["certificate", "chain", "crt"]),
        Key::new(
            "key",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"client.key\"",
            "The private key as PEM: PKCS#8, PKCS#1 or SEC1.",
        )
        .aka(&["private_key"]),
    ],
    later: &[],
};

/// What `tls` of the service says, unless it is off; its targets are of this `scheme`.
pub(crate) fn read(section: &Section<'_>, scheme: Scheme, origin: &Origin) -> Option<ServiceTls> {
    let Some(node) = section.node(KEY.name) else {
        return (scheme == Scheme::Https).then(ServiceTls::default);
    };
    let tls = match node.is_flag() {
        true => node.flag().filter(|is_on| *is_on).map(|_| ServiceTls::default()),
        false => table(&node.section()?, origin),
    };
    if tls.is_none() && node.is_flag() && scheme == Scheme::Https {
        node.report(Flaw::new(
            Code::Conflict,
            "`tls` is off, and the targets are `https://`",
            "they would be spoken to in the clear",
            "remove this, or the `https://` before the targets",
        ));
    }
    let tls = tls?;
    if tls.server_name.is_none() && WE_RUN.iter().any(|key| section.has(key)) {
        node.report(Flaw::new(
            Code::Missing,
            "`server_name` is missing",
            "an instance that Plimsoll runs has no name of its own that its certificate could be for",
            "add the host that its certificate is for, as in `tls = { server_name = \"api.internal\" }`",
        ));
    }
    Some(tls)
}

fn table(section: &Section<'_>, origin: &Origin) -> Option<ServiceTls> {
    let ca = section.node("ca");
    let has_ca = ca.is_some();
    let ca = ca.and_then(|node| file::existing(&node, "the authorities' file", origin));
    let server_name = section.parse("server_name", parse_name);
    let client = optional(section, "client", |table| client(table, origin));
    // Without authorities that are named the system's would be believed, and more than was meant.
    (ca.is_some() == has_ca && client.is_some() == section.has("client")).then_some(ServiceTls {
        ca,
        server_name,
        client,
    })
}

fn client(section: &Section<'_>, origin: &Origin) -> Option<TlsCertificate> {
    let path = |key, noun| {
        let node: Option<Node<'_>> = section.require(key);
        node.and_then(|node| file::existing(&node, noun, origin))
    };
    let (cert, key) = (path("cert", "the certificate"), path("key", "the private key"));
    Some(TlsCertificate { cert: cert?, key: key? })
}

fn parse_name(text: &str) -> Result<String, Flaw> {
    let flaw = |why: &str| {
        let hint = "name a host, as it stands in the certificate; without it the address of each target is checked";
        Flaw::invalid(format!("`{}` is no host", crate::value::shown(text)), why, hint)
    };
    match host::is_address(text) {
        true => Err(flaw("an address is no name that could be asked for")),
        false => host::parse_name(text).map_err(|why| flaw(&why)),
    }
}
