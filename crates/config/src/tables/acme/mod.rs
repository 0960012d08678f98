//! `[acme]`, and what it and `tls.acme` of the listeners mean together: which certificates are ordered, and of whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::{Acme, Admin, CertificateKey, ExternalAccount, Listener, ListenerName, Route, Secret};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::{Faults, Flaw};
use crate::node::Node;
use crate::read::{asked, distinct, secret};
use crate::schema::{Absent, Empty, Format, Key, Later, Shape, TEXT, Table, VARIABLE};
use crate::section::Section;
use crate::value::{host, name};

use admin::OfListeners;
use hosts::Contact;

pub(crate) use admin::{AdminIssuer, AdminWish};
pub(crate) use hosts::{Stand, Wish, Wishes};

mod admin;
mod dns;
mod hosts;

pub(crate) const KEY: Key = Key::new(
    "acme",
    Shape::Table(&ACME),
    Absent::Means("Let's Encrypt, and keys of ECDSA with P-256"),
    "{ directory = \"https://acme-staging-v02.api.letsencrypt.org/directory\" }",
    "How certificates are ordered of a CA, for listeners whose `tls` has `acme`.",
)
.aka(&["letsencrypt", "certbot", "acme_ca"]);

const DIRECTORY: Format = Format {
    noun: "a URL such as \"https://acme-v02.api.letsencrypt.org/directory\"",
    pattern: Some("^[Hh][Tt][Tt][Pp][Ss]://."),
};
/// Of whom certificates are ordered where the file does not say.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

static DIRECTORIES: [Shape; 2] =
    [Shape::Text(&DIRECTORY), Shape::List { of: &Shape::Text(&DIRECTORY), empty: Empty::Refused }];

static ACME: Table = Table {
    header: "[acme]",
    noun: "the orders of certificates",
    doc: "Certificates of listeners whose `tls` has `acme` are ordered by ACME (RFC 8555) and renewed when the CA suggests it (RFC 9773), otherwise when a third of their lifetime is left. \
          That a host is ours is proven by dns-01 where there is `dns`, by http-01, which every listener of clear text responds to before all else, or by tls-alpn-01, on the TLS listeners themselves; where one fails, the \
          next order tries the next. Certificates and accounts are kept in `certificates` of the state directory. Naming a CA here, or an email in `tls.acme`, agrees to the CA's terms.",
    keys: &[
        Key::new(
            "directory",
            Shape::Either(&DIRECTORIES),
            Absent::Means("Let's Encrypt"),
            "\"https://acme-v02.api.letsencrypt.org/directory\"",
            "The URL of the CA's directory, or a list: the next one is tried where one fails twice in a row. Certificates of a directory that is not named any more are replaced.",
        )
        .aka(&["server", "url", "ca_server", "caServer", "directory_url", "directories"]),
        asked::CA,
        Key::new(
            "eab",
            Shape::Table(&EAB),
            Absent::Means("none"),
            "{ key_id = \"kid-1\", secret_env = \"EAB_SECRET\" }",
            "The account that there is with the CA already (external account binding), where it wants one.",
        )
        .aka(&["external_account_binding", "external_account"]),
        Key::new(
            "profile",
            Shape::Text(&TEXT),
            Absent::Means("the CA's own choice"),
            "\"shortlived\"",
            "Which of the CA's profiles certificates are ordered by.",
        ),
        Key::new(
            "key",
            Shape::Word(&["p256", "p384", "rsa2048", "rsa4096"], &[]),
            Absent::Text("p256"),
            "\"p384\"",
            "What kind of key a certificate is for. Each order has a new one.",
        )
        .aka(&["key_type", "keyType"]),
        dns::KEY,
    ],
    later: &[
        Later { name: "on_demand", what: "certificates that are ordered at the first handshake" },
    ],
};

static EAB: Table = Table {
    header: "[acme.eab]",
    noun: "an account with the CA",
    doc: "The CA gives both when one signs up there.",
    keys: &[
        Key::new(
            "key_id",
            Shape::Text(&TEXT),
            Absent::Fault,
            "\"kid-1\"",
            "What the CA calls the key.",
        )
        .aka(&["kid", "id"]),
        Key::new(
            "secret_env",
            Shape::Text(&VARIABLE),
            Absent::Fault,
            "\"EAB_SECRET\"",
            "The environment variable with the key itself, in base64url, as CAs give it.",
        )
        .aka(&["hmac", "hmac_key", "secret", "hmacEncoded"]),
    ],
    later: &[],
};

/// What `[acme]` says, which holds where a listener wants certificates.
struct Terms {
    directories: Vec<String>,
    acme: Acme,
}

/// What is ordered, and how.
#[derive(Default)]
pub(crate) struct Orders {
    pub(crate) acme: Option<Acme>,
    /// The hosts whose certificates Plimsoll's own CA issues.
    pub(crate) internal: BTreeSet<String>,
}

/// Those that have certificates ordered.
pub(crate) struct Orderers<'a> {
    pub(crate) listeners: &'a mut BTreeMap<ListenerName, Arc<Listener>>,
    pub(crate) admin: &'a mut Admin,
}

/// Reads `[acme]`, and gives each listener of `wishes`, and the admin API, its hosts.
pub(crate) fn read(
    root: &Section<'_>,
    origin: &Origin,
    faults: &Faults<'_>,
    wishes: &Wishes,
    of: Orderers<'_>,
    routes: &[Arc<Route>],
) -> Orders {
    let Orderers { listeners, admin } = of;
    let terms = root.section(KEY.name, |acme| terms(acme, origin));
    let first = wishes.accounts().next();
    match &first {
        Some(first) => refuse_other_emails(wishes, first, faults),
        None => warn_of_unused(root, faults),
    }
    // Something is wrong with it, and what else would be is not known.
    let Some(Terms { directories, acme }) = terms else { return Orders::default() };
    let mut internal = hosts::give(wishes, &acme, routes, listeners, faults);
    let of_listeners = OfListeners::new(listeners, &internal);
    internal.extend(admin::give(wishes, &acme, &of_listeners, admin, faults));
    let acme = first.map(|first| Acme { email: first.email.to_owned(), directories, ..acme });
    Orders { acme, internal }
}

fn warn_of_unused(root: &Section<'_>, faults: &Faults<'_>) {
    if root.has(KEY.name) && !faults.has_errors() {
        let flaw = Flaw::new(
            Code::NoEffect,
            "no listener has certificates ordered",
            "`[acme]` says how, and none asks for it",
            "add `tls = { acme = \"ops@example.com\" }` to a listener",
        );
        root.report_at(KEY.name, flaw, &[]);
    }
}

fn refuse_other_emails(wishes: &Wishes, first: &Contact<'_>, faults: &Faults<'_>) {
    for other in wishes.accounts().filter(|it| it.email != first.email) {
        let flaw = Flaw::new(
            Code::Conflict,
            "two different emails are named",
            "there is one account with a CA, and it has one",
            "name the same one at both",
        );
        other.place.report(faults, flaw, &[(first.place.span.clone(), "the other is here")]);
    }
}

fn terms(acme: &Section<'_>, origin: &Origin) -> Option<Terms> {
    let directories = match acme.node("directory") {
        Some(node) => distinct(node.one_or_many(), "directory", directory, Clone::clone),
        None => vec![LETS_ENCRYPT.to_owned()],
    };
    let had_ca = acme.has(asked::CA.name);
    let ca = asked::ca(acme, origin);
    let external_account =
        acme.node("eab").map(|node| node.section().and_then(|eab| external(&eab, origin)));
    let profile = acme.parse("profile", |text| match text {
        "" => Err(Flaw::invalid("`profile` is empty", "no CA has such a one", "leave it out")),
        text => Ok(text.to_owned()),
    });
    let key = acme.word("key", |word| match word {
        "p256" => Some(CertificateKey::P256),
        "p384" => Some(CertificateKey::P384),
        "rsa2048" => Some(CertificateKey::Rsa2048),
        "rsa4096" => Some(CertificateKey::Rsa4096),
        _ => None,
    });
    let dns = acme.node("dns").map(|node| node.section().and_then(|dns| dns::read(&dns, origin)));
    let is_whole = !directories.is_empty() && (!had_ca || ca.is_some());
    let external_account = match external_account {
        Some(read) => Some(read?),
        None => None,
    };
    let dns = match dns {
        Some(read) => Some(read?),
        None => None,
    };
    let (email, none) = (String::new(), Vec::new());
    let acme = Acme { email, directories: none, ca, external_account, profile, key, dns };
    is_whole.then_some(Terms { directories, acme })
}

fn directory(node: &Node<'_>) -> Option<String> {
    node.parse(|text| {
        asked::parse(text)?;
        match text.get(..8).is_some_and(|it| it.eq_ignore_ascii_case("https://")) {
            true => Ok(text.to_owned()),
            false => Err(Flaw::invalid(
                "a CA is asked over TLS alone",
                "RFC 8555 has it so: anybody on the way could order certificates otherwise",
                "write `https://`, and name the authority of a private one by `ca`",
            )),
        }
    })
}

fn external(eab: &Section<'_>, origin: &Origin) -> Option<ExternalAccount> {
    let key_id = eab.require("key_id").and_then(|node| node.text().map(str::to_owned));
    let node = eab.require("secret_env")?;
    let variable = node.parse(name::parse_variable)?;
    let text = secret::of_variable(&node, &variable, 1, origin)?;
    // Padding is allowed, though the URL-safe form has none.
    let bare: Vec<u8> =
        text.expose().trim_ascii().iter().copied().filter(|byte| *byte != b'=').collect();
    match BASE64_URL_SAFE_NO_PAD.decode(bare) {
        Ok(bytes) if !bytes.is_empty() => {
            Some(ExternalAccount { key_id: key_id?, secret: Secret::new(bytes) })
        }
        _ => {
            node.report(Flaw::invalid(
                format!("the key in `{variable}` is not in base64url"),
                "CAs give it so",
                "set it as the CA gave it",
            ));
            None
        }
    }
}

/// Reads the email of `tls.acme`.
pub(crate) fn parse_email(text: &str) -> Result<String, Flaw> {
    let is_plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
    };
    match text.split_once('@') {
        Some((user, domain))
            if is_plain(user) && is_plain(domain) && host::parse_name(domain).is_ok() =>
        {
            Ok(text.to_owned())
        }
        _ => Err(Flaw::invalid(
            format!("\"{}\" is not an email address", crate::value::shown(text)),
            "the CA writes there when something is wrong with a certificate",
            "write it like \"ops@example.com\"",
        )),
    }
}
