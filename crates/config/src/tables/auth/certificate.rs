//! `certificate` of an authentication: which certificates of clients are enough, of those that a listener's `client_auth` believes.

use model::CertificateAuth;
use policy::certificate::{ATTRIBUTES, BadPattern, SanPattern, SubjectPattern};

use crate::faults::Flaw;
use crate::node::Node;
use crate::read::distinct;
use crate::schema::{Absent, Empty, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::shown;

const SUBJECT: Format = Format {
    noun: "a subject such as \"CN=ci,O=Example\", in which `*` stands for anything of an attribute, or for any number of them",
    pattern: Some("[=*]"),
};
const SAN: Format = Format {
    noun: "a name such as \"*.svc\", \"spiffe://cluster/ns/a/*\", \"ops@example.com\" or \"10.0.0.7\"",
    pattern: Some("."),
};

pub(super) const KEY: Key = Key::new(
    "certificate",
    Shape::Table(&TABLE),
    Absent::Means("no certificates"),
    "{ subjects = [\"CN=ci\"], sans = [\"*.svc\"] }",
    "Certificates that clients show in their handshake, to a listener with `client_auth`.",
)
.aka(&["certificates", "mtls", "client_certificate", "client_cert", "x509", "tls"]);

static TABLE: Table = Table {
    header: "[auth.NAME.certificate]",
    noun: "certificates of clients",
    doc: "Which certificates are enough, of those that `client_auth` of a listener believes; without `subjects` and `sans` each of them. Where both are given, both must hold. \
          The claims are `subject`, `issuer`, `serial`, `sans` and `fingerprint` (SHA-256); `sub` is the subject, or the first of the other names where that is empty. \
          A certificate that expires or is revoked while its connection is open proves nothing from then on.",
    keys: &[
        Key::new(
            "subjects",
            Shape::List { of: &Shape::Text(&SUBJECT), empty: Empty::Refused },
            Absent::Means("any subject"),
            "[\"CN=ci\", \"CN=*,OU=build,O=Example\"]",
            "What the subject must be, one of these: the whole of it, the most specific part first, as `openssl x509 -noout -subject -nameopt RFC2253` writes it. `*` stands for anything within one \
             value, and alone between two commas for any number of attributes.",
        )
        .aka(&["subject", "subject_dn", "dn", "cn", "common_names"]),
        Key::new(
            "sans",
            Shape::List { of: &Shape::Text(&SAN), empty: Empty::Refused },
            Absent::Means("any other names"),
            "[\"*.svc\", \"spiffe://cluster/ns/shop/*\"]",
            "What one of its other names must be, one of these: a host, a URI, an email address or an address. `*` stands for anything at the beginning of a host and at the end of a URI, \
             elsewhere for anything within one label or segment.",
        )
        .aka(&["san", "subject_alt_names", "dns", "uris", "names", "hosts"]),
    ],
    later: &[],
};

pub(super) fn read(section: &Section<'_>) -> CertificateAuth {
    CertificateAuth {
        subjects: texts(section, "subjects", |text| SubjectPattern::parse(text).map(drop)),
        sans: texts(section, "sans", |text| SanPattern::parse(text).map(drop)),
    }
}

fn texts(
    section: &Section<'_>,
    key: &'static str,
    check: impl Fn(&str) -> Result<(), BadPattern>,
) -> Vec<String> {
    let read = |item: &Node<'_>| {
        item.parse(|text| match check(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(why) => Err(bad(text, why)),
        })
    };
    section.node(key).map_or(Vec::new(), |node| distinct(node.items(), "name", read, String::clone))
}

fn bad(text: &str, why: BadPattern) -> Flaw {
    let hint = match why {
        BadPattern::UnknownType => {
            format!("there are {}; others are written by their number", suggest::listed(ATTRIBUTES))
        }
        BadPattern::Empty | BadPattern::NoType => "for example \"CN=ci,O=Example\"".to_owned(),
        BadPattern::Escape => {
            "write `\\\\` in the file for one `\\`, or take the name in '...'".to_owned()
        }
        BadPattern::Bytes => {
            "compare another attribute, or the `fingerprint` by `require`".to_owned()
        }
        BadPattern::Character => {
            "hosts are written as in DNS (`xn--...`), and URIs percent-encoded".to_owned()
        }
    };
    Flaw::invalid(format!("\"{}\" is no name of a certificate", shown(text)), why.to_string(), hint)
}
