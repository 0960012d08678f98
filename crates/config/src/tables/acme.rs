//! `[acme]`, and what it and `tls.acme` of the listeners mean together: which certificates are ordered, and of whom.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::{
    Acme, CertificateKey, ExternalAccount, HostMatch, Listener, ListenerName, Route, Secret,
};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::{Faults, Flaw, Spot};
use crate::node::Node;
use crate::read::{asked, distinct, secret};
use crate::schema::{Absent, Empty, Format, Key, Later, Shape, TEXT, Table, VARIABLE};
use crate::section::Section;
use crate::value::{host, name};

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
          That a host is ours is proven by http-01, which every listener of clear text responds to before all else, or by tls-alpn-01, on the TLS listeners themselves; where one fails, the \
          next order tries the other. Certificates and accounts are kept in `certificates` of the state directory. Naming a CA here, or an email in `tls.acme`, agrees to the CA's terms.",
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
    ],
    later: &[
        Later { name: "dns", what: "dns-01, for wildcards" },
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
    fn report(&self, faults: &Faults<'_>, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        faults.add(Spot { key: self.key.clone(), span: self.span.clone() }, flaw, related);
    }
}

/// What `[acme]` says, which holds where a listener wants certificates.
struct Terms {
    directories: Vec<String>,
    acme: Acme,
}

/// Reads `[acme]`, and gives each listener of `wishes` its hosts.
pub(crate) fn read(
    root: &Section<'_>,
    origin: &Origin,
    faults: &Faults<'_>,
    wishes: &[Wish],
    listeners: &mut BTreeMap<ListenerName, Arc<Listener>>,
    routes: &[Arc<Route>],
) -> Option<Acme> {
    let terms = root.section(KEY.name, |acme| terms(acme, origin));
    let Some(first) = wishes.first() else {
        let is_unused = root.has(KEY.name) && !faults.has_errors();
        if is_unused {
            let flaw = Flaw::new(
                Code::NoEffect,
                "no listener has certificates ordered",
                "`[acme]` says how, and none asks for it",
                "add `tls = { acme = \"ops@example.com\" }` to a listener",
            );
            root.report_at(KEY.name, flaw, &[]);
        }
        return None;
    };
    for other in wishes.iter().filter(|it| it.email != first.email) {
        let flaw = Flaw::new(
            Code::Conflict,
            "two listeners name different emails",
            "there is one account with a CA, and it has one",
            "name the same one at both",
        );
        other.place.report(faults, flaw, &[(first.place.span.clone(), "the other is here")]);
    }
    let Terms { directories, acme } = terms?;
    let issuer = if acme.ca.is_none() { Issuer::Public } else { Issuer::Private };
    for wish in wishes {
        let hosts = match &wish.hosts {
            Some(hosts) => hosts.iter().cloned().collect(),
            None => {
                let listener = listeners.get(&wish.listener);
                let wildcards = match listener.is_some_and(|it| !it.certificates.is_empty()) {
                    true => Wildcards::FromFiles,
                    false => Wildcards::Refused,
                };
                of_routes(wish, routes, issuer, wildcards, faults)
            }
        };
        if wish.hosts.is_some() && issuer == Issuer::Public {
            for (host, why) in hosts.iter().filter_map(|host| Some((host, unissuable(host)?))) {
                let what = format!("no public CA issues a certificate for `{host}`");
                let hint = "take it out, or name a private CA by `[acme]`'s `directory` and `ca`";
                wish.place.report(faults, Flaw::invalid(what, why, hint), &[]);
            }
        }
        if let Some(listener) = listeners.get_mut(&wish.listener) {
            let listener = Arc::make_mut(listener);
            listener.ordered = Some(hosts.into_iter().collect());
        }
    }
    Some(Acme { email: first.email.clone(), directories, ..acme })
}

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
    /// The listener has certificates from files, which may be for them.
    FromFiles,
    Refused,
}

/// The hosts of `routes` that certificates are ordered for.
fn of_routes(
    wish: &Wish,
    routes: &[Arc<Route>],
    issuer: Issuer,
    wildcards_are: Wildcards,
    faults: &Faults<'_>,
) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    let (mut wildcards, mut unissued) = (BTreeSet::new(), BTreeSet::new());
    for matched in routes.iter().flat_map(|route| &route.matcher.hosts) {
        match matched {
            HostMatch::Wildcard(_) if wildcards_are == Wildcards::FromFiles => {}
            HostMatch::Wildcard(_) => drop(wildcards.insert(matched.to_string())),
            // Nobody asks for an address by name (RFC 6066 section 3).
            HostMatch::Exact(name) if host::is_address(name) => {}
            HostMatch::Exact(name) if issuer == Issuer::Public && unissuable(name).is_some() => {
                unissued.insert(name.clone());
            }
            HostMatch::Exact(name) => drop(hosts.insert(name.clone())),
        }
    }
    if let Some(wildcard) = wildcards.first() {
        let flaw = Flaw::new(
            Code::Unsupported,
            format!("a certificate for `{wildcard}` cannot be ordered yet"),
            "CAs believe a wildcard by dns-01 alone, which is not supported yet",
            "name the hosts: `acme = { email = \"...\", hosts = [\"shop.example.com\"] }`; a wildcard's certificate may come from a file beside it, by `certificates`",
        );
        wish.place.report(faults, flaw, &[]);
    }
    for name in &unissued {
        let why = unissuable(name).unwrap_or_default();
        let flaw = Flaw::new(
            Code::NoEffect,
            format!("no certificate is ordered for `{name}`: no public CA issues one"),
            why,
            "name a private CA by `[acme]`'s `directory` and `ca`, or leave it to clear text",
        );
        wish.place.report(faults, flaw, &[]);
    }
    if hosts.is_empty() && wildcards.is_empty() && !faults.has_errors() {
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
    let (_, end) = host.rsplit_once('.').unwrap_or(("", host));
    if RESERVED.contains(&end) {
        return Some("its end is reserved, so that nobody can prove that it is theirs");
    }
    if !host.contains('.') {
        return Some("it is no full name in the public DNS");
    }
    host.contains('_').then_some("names with underscores are not those of hosts")
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
    let is_whole = !directories.is_empty() && (!had_ca || ca.is_some());
    let external_account = match external_account {
        Some(read) => Some(read?),
        None => None,
    };
    let acme =
        Acme { email: String::new(), directories: Vec::new(), ca, external_account, profile, key };
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
