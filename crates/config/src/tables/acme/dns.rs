//! `[acme.dns]`: who changes the zones in which a CA looks for proofs (dns-01).

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use model::{Dns, DnsHost, DnsProvider, Secret, TsigHash, UpdateServer};

use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{distinct, secret};
use crate::schema::{Absent, Empty, Format, Key, Shape, TEXT, Table, VARIABLE};
use crate::section::Section;
use crate::value::{name, shown};

pub(super) const KEY: Key = Key::new(
    "dns",
    Shape::Table(&DNS),
    Absent::Means("no proofs by DNS, and with that no wildcards"),
    "{ provider = \"rfc2136\", server = \"10.0.0.2\", key_name = \"acme.\", secret_env = \"TSIG_SECRET\" }",
    "Who changes the zones of the hosts, so that what a CA looks for is found there (dns-01): for wildcards, and for hosts that no CA reaches.",
)
.aka(&["dns_challenge", "dnsChallenge", "dns01", "challenge"]);

const ADDRESS: Format =
    Format { noun: "an address such as \"10.0.0.2\" or \"10.0.0.2:5353\"", pattern: None };

/// The port of DNS servers.
const PORT: u16 = 53;

/// The one that is no host of zones.
const RFC2136: &str = "rfc2136";

/// All that can stand for `provider`.
const PROVIDERS: &[&str] = &[
    RFC2136,
    "bunny",
    "cloudflare",
    "desec",
    "digitalocean",
    "gandi",
    "gcore",
    "hetzner",
    "infomaniak",
    "ionos",
    "linode",
    "ns1",
    "scaleway",
    "vultr",
];

static DNS: Table = Table {
    header: "[acme.dns]",
    noun: "proofs by DNS",
    doc: "Where this is, dns-01 is tried first for every host, and the others after it. A record is written at `_acme-challenge.` and the host, or where an alias (CNAME) there leads, and the CA looks \
          once each of the zone's own servers has it; afterwards it is taken away. `rfc2136` is tried against bind; the hosts of zones go by the crate `dns-update` and are untried by us.",
    keys: &[
        Key::new(
            "provider",
            Shape::Word(PROVIDERS, &[]),
            Absent::Fault,
            "\"rfc2136\"",
            "How zones are changed: by a DNS server that takes updates (RFC 2136), or by the API of who hosts them.",
        )
        .aka(&["name", "type", "plugin"]),
        Key::new(
            "server",
            Shape::Text(&ADDRESS),
            Absent::Means("none"),
            "\"10.0.0.2\"",
            "With `rfc2136`: the server that takes the updates, over TCP; port 53 unless it has one.",
        )
        .aka(&["nameserver", "host", "address"]),
        Key::new(
            "key_name",
            Shape::Text(&TEXT),
            Absent::Means("none"),
            "\"acme.\"",
            "With `rfc2136`: the name of the TSIG key that the updates are signed with, as the server has it.",
        )
        .aka(&["key", "tsig_key", "tsigKey"]),
        Key::new(
            "secret_env",
            Shape::Text(&VARIABLE),
            Absent::Means("none"),
            "\"TSIG_SECRET\"",
            "With `rfc2136`: the environment variable with the TSIG key itself, in base64, as `tsig-keygen` writes it.",
        )
        .aka(&["secret", "tsig_secret", "tsigSecret"]),
        Key::new(
            "algorithm",
            Shape::Word(&["hmac-sha256", "hmac-sha384", "hmac-sha512"], &[]),
            Absent::Text("hmac-sha256"),
            "\"hmac-sha512\"",
            "With `rfc2136`: the algorithm of the TSIG key.",
        )
        .aka(&["tsig_algorithm"]),
        Key::new(
            "token_env",
            Shape::Text(&VARIABLE),
            Absent::Means("none"),
            "\"CF_TOKEN\"",
            "With a host of zones: the environment variable with its token. Let it change the zones of these hosts and nothing else.",
        )
        .aka(&["token", "api_token", "api_key"]),
        Key::new(
            "servers",
            Shape::List { of: &Shape::Text(&ADDRESS), empty: Empty::Refused },
            Absent::Means("those that the zone's NS records name"),
            "[\"10.0.0.2\", \"10.0.0.3\"]",
            "The zone's own servers, which are asked where a record belongs and whether it is there: where they are not reached from here by their names, or at another port.",
        )
        .aka(&["resolvers", "nameservers", "authoritative"]),
    ],
    later: &[],
};

/// Reads `[acme.dns]`.
pub(super) fn read(section: &Section<'_>, origin: &Origin) -> Option<Dns> {
    let provider = section.require("provider")?;
    let of_server = ["server", "key_name", "secret_env", "algorithm"];
    let known = |word: &str| PROVIDERS.contains(&word).then(|| word.to_owned());
    let provider = match provider.word(known)?.as_str() {
        RFC2136 => {
            refuse(section, &["token_env"], "only hosts of zones have a token");
            DnsProvider::Rfc2136(update_server(section, origin)?)
        }
        word => {
            refuse(section, &of_server, "it is for `provider = \"rfc2136\"`");
            let host = host(word)?;
            DnsProvider::Hosted { host, token: token(section, origin)? }
        }
    };
    let servers = section.node("servers").map(|node| {
        distinct(node.items(), "server", |item| item.parse(parse_address), Clone::clone)
    });
    Some(Dns { provider, servers: servers.unwrap_or_default() })
}

fn refuse(section: &Section<'_>, keys: &[&'static str], why: &str) {
    for key in keys.iter().filter(|key| section.has(key)) {
        let what = format!("`{key}` does nothing with this `provider`");
        section.report_at(key, Flaw::invalid(what, why, "take it out"), &[]);
    }
}

fn update_server(section: &Section<'_>, origin: &Origin) -> Option<UpdateServer> {
    let address = section.require("server").and_then(|node| node.parse(parse_address));
    let key_name = section.require("key_name").and_then(|node| node.parse(parse_key_name));
    let secret = section.require("secret_env").and_then(|node| tsig(&node, origin));
    let hash = section.word("algorithm", |word| match word {
        "hmac-sha256" => Some(TsigHash::Sha256),
        "hmac-sha384" => Some(TsigHash::Sha384),
        "hmac-sha512" => Some(TsigHash::Sha512),
        _ => None,
    });
    Some(UpdateServer { address: address?, key_name: key_name?, secret: secret?, hash })
}

fn tsig(node: &Node<'_>, origin: &Origin) -> Option<Secret> {
    let variable = node.parse(name::parse_variable)?;
    let text = secret::of_variable(node, &variable, 1, origin)?;
    match BASE64_STANDARD.decode(text.expose().trim_ascii()) {
        Ok(bytes) if !bytes.is_empty() => Some(Secret::new(bytes)),
        _ => {
            node.report(Flaw::invalid(
                format!("the key in `{variable}` is not in base64"),
                "`tsig-keygen` and named.conf have it so",
                "set it to what stands behind `secret` there, without the quotes",
            ));
            None
        }
    }
}

fn token(section: &Section<'_>, origin: &Origin) -> Option<Secret> {
    let node = section.require("token_env")?;
    let variable = node.parse(name::parse_variable)?;
    let text = secret::of_variable(&node, &variable, 1, origin)?;
    Some(Secret::new(text.expose().trim_ascii()))
}

fn host(word: &str) -> Option<DnsHost> {
    Some(match word {
        "bunny" => DnsHost::Bunny,
        "cloudflare" => DnsHost::Cloudflare,
        "desec" => DnsHost::Desec,
        "digitalocean" => DnsHost::DigitalOcean,
        "gandi" => DnsHost::Gandi,
        "gcore" => DnsHost::Gcore,
        "hetzner" => DnsHost::Hetzner,
        "infomaniak" => DnsHost::Infomaniak,
        "ionos" => DnsHost::Ionos,
        "linode" => DnsHost::Linode,
        "ns1" => DnsHost::Ns1,
        "scaleway" => DnsHost::Scaleway,
        "vultr" => DnsHost::Vultr,
        _ => return None,
    })
}

/// An IP address, with a port where that is not DNS's.
fn parse_address(text: &str) -> Result<SocketAddr, Flaw> {
    let bare = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    text.parse::<SocketAddr>().or_else(|_| bare()).map_err(|_| {
        Flaw::invalid(
            format!("\"{}\" is no IP address", shown(text)),
            "the server of names is not looked up by its name",
            "write it like \"10.0.0.2\", \"10.0.0.2:5353\" or \"[2001:db8::2]:53\"",
        )
    })
}

/// A name in the DNS: labels of at most 63 bytes, 253 in all (RFC 1035 section 2.3.4).
fn parse_key_name(text: &str) -> Result<String, Flaw> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
    };
    match bare.len() <= 253 && bare.split('.').all(is_label) {
        true => Ok(text.to_owned()),
        false => Err(Flaw::invalid(
            format!("\"{}\" is no name of a key", shown(text)),
            "the names of TSIG keys are those of the DNS",
            "write it as in named.conf, like \"acme.\"",
        )),
    }
}
