//! `balance` of a service: how an instance is chosen.

use model::{Balance, Hash, HashAlgorithm, HashKey};

use crate::faults::Flaw;
use crate::schema::{Absent, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::{header, shown};

const HASH_KEY: Format = Format {
    noun: "\"ip\", \"path\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"",
    pattern: Some("^(ip|path|(header|cookie|query):.+)$"),
};

/// A word, or a part of the request.
static FORMS: [Shape; 2] = [
    Shape::Word(&["least_conn", "round_robin", "random", "p2c", "ip_hash", "peak_ewma"], &[]),
    Shape::Table(&HASH),
];

pub(crate) const KEY: Key = Key::new(
    "balance",
    Shape::Either(&FORMS),
    Absent::Text("least_conn"),
    "\"least_conn\"",
    "How an instance is chosen: the fewest requests in flight (ties in rotation), in \
     turn, at random, the less loaded of two picked at random, by the client's address, \
     the \
     lowest expected latency; or, as a table, by a part of the request.",
)
.aka(&["lb", "algorithm", "policy", "strategy", "load_balancing", "method"]);

pub(crate) static HASH: Table = Table {
    header: "[services.NAME.balance]",
    noun: "a balance by hash",
    doc: "Consistent hashing: requests with the same key go to the same instance, and few move when \
          instances come or go.",
    keys: &[
        Key::new(
            "hash",
            Shape::Text(&HASH_KEY),
            Absent::Fault,
            "\"header:x-user\"",
            "The part of a request that is hashed; a request without it is hashed by the client's \
             address.",
        )
        .aka(&["key", "by", "on"]),
        Key::new(
            "algorithm",
            Shape::Word(&["rendezvous", "ring"], &[]),
            Absent::Text("rendezvous"),
            "\"rendezvous\"",
            "Highest random weight (exact weights, for up to a few hundred instances), or a ring \
             of \
             points (for thousands).",
        ),
        Key::new(
            "load_bound",
            Shape::Number(1.0..=100.0),
            Absent::Means("no bound"),
            "1.25",
            "No instance gets more than this times the average load; the next in its order gets the \
             rest.",
        )
        .aka(&["bound", "bounded_load", "balance_factor"]),
    ],
    later: &[],
};

/// Reads how an instance is chosen.
pub(crate) fn read(service: &Section<'_>) -> Balance {
    let Some(node) = service.node(KEY.name) else {
        return Balance::default();
    };
    match node.is_table() {
        true => node.section().and_then(|section| hash(&section)).map(Balance::Hash),
        false => node.word(policy),
    }
    .unwrap_or_default()
}

fn policy(word: &str) -> Option<Balance> {
    match word {
        "least_conn" => Some(Balance::LeastConn),
        "round_robin" => Some(Balance::RoundRobin),
        "random" => Some(Balance::Random),
        "p2c" => Some(Balance::P2c),
        "ip_hash" => Some(Balance::IpHash),
        "peak_ewma" => Some(Balance::PeakEwma),
        _ => None,
    }
}

fn hash(section: &Section<'_>) -> Option<Hash> {
    let key = section.require("hash").and_then(|node| node.parse(key));
    let algorithm = section.word("algorithm", algorithm);
    let load_bound = section.node("load_bound").and_then(|node| node.number());
    Some(Hash { key: key?, algorithm, load_bound })
}

fn algorithm(word: &str) -> Option<HashAlgorithm> {
    match word {
        "rendezvous" => Some(HashAlgorithm::Rendezvous),
        "ring" => Some(HashAlgorithm::Ring),
        _ => None,
    }
}

fn key(text: &str) -> Result<HashKey, Flaw> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is no part of a request", shown(text)), why, hint)
    };
    match (kind, text.contains(':')) {
        ("ip", false) => Ok(HashKey::Ip),
        ("path", false) => Ok(HashKey::Path),
        ("header", true) => header::parse_name(name).map(HashKey::Header),
        ("cookie", true) => header::parse_cookie(name).map(HashKey::Cookie),
        ("query", true) if !name.is_empty() => Ok(HashKey::Query(name.to_owned())),
        ("header" | "cookie" | "query", _) => {
            Err(flaw("its name is missing", format!("write \"{kind}:NAME\"")))
        }
        _ => {
            let known = ["ip", "path", "header", "cookie", "query"];
            let hint = match suggest::nearest(kind, known) {
                Some(meant @ ("ip" | "path")) => format!("did you mean \"{meant}\"?"),
                Some(meant) => format!("did you mean \"{meant}:NAME\"?"),
                None => {
                    "write \"ip\", \"path\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\""
                        .to_owned()
                }
            };
            Err(flaw("nothing of this kind can be hashed", hint))
        }
    }
}
