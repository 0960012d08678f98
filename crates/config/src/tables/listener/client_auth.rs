//! `client_auth` of a listener's `tls`: certificates that clients show.

use model::{ClientAuth, ClientDemand};

use crate::environment::Origin;
use crate::read::file;
use crate::schema::{Absent, FILE, Key, Shape, Table};
use crate::section::Section;

pub(super) const KEY: Key = Key::new(
    "client_auth",
    Shape::Table(&CLIENT_AUTH),
    Absent::Means("clients show none"),
    "{ ca = \"clients.pem\", crl = \"clients.crl\" }",
    "Ask clients for certificates of their own.",
)
.aka(&[
    "mtls",
    "client_auth_type",
    "ssl_verify_client",
    "client_certificate",
    "client_ca",
    "verify",
]);

pub(crate) static CLIENT_AUTH: Table = Table {
    header: "[listeners.NAME.tls.client_auth]",
    noun: "certificates of clients",
    doc: "Whose certificates are believed. The files are read again on each reload, and within seconds of being replaced; \
          relative paths start at the directory of the file in which they stand. Where clients are asked for certificates, each \
          handshake is a whole one, so that none comes in by what was believed before. A request for a host that only the certificates of another listener name, which asks \
          otherwise for certificates of clients, is refused with 421.",
    keys: &[
        Key::new(
            "ca",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"clients.pem\"",
            "The authorities whose certificates are believed, as PEM.",
        )
        .aka(&["ca_file", "cafile", "ca_certificate", "trusted_ca", "ssl_client_certificate", "certificates"]),
        Key::new(
            "crl",
            Shape::Text(&FILE),
            Absent::Means("nothing was revoked"),
            "\"clients.crl\"",
            "What the authorities have revoked, as PEM: one list for each authority whose clients come, since those of one \
             without a list are refused. A list that should have been replaced goes on to be asked, and `status` and the log say so.",
        )
        .aka(&["crls", "crl_file", "revocations", "ssl_crl", "revoked"]),
        Key::new(
            "optional",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Whether a client may come without a certificate. One that it shows is checked all the same.",
        )
        .aka(&["required", "require", "mode", "request"]),
    ],
    later: &[],
};

pub(super) fn read(section: &Section<'_>, origin: &Origin) -> Option<ClientAuth> {
    let ca = section.require("ca");
    let ca = ca.and_then(|node| file::existing(&node, "the authorities' file", origin));
    let crl = section.node("crl");
    let is_named = crl.is_some();
    let crl = crl.and_then(|node| file::existing(&node, "the list of what was revoked", origin));
    let demand =
        if section.flag("optional") { ClientDemand::Optional } else { ClientDemand::Required };
    // Without a list that is named all would be let in that are on it.
    (crl.is_some() == is_named).then_some(ClientAuth { ca: ca?, crl, demand })
}
