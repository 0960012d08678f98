//! Reads `services.NAME.balance`.

use model::{Balance, Hash, HashAlgorithm, HashKey};

use crate::faults::Flaw;
use crate::section::Section;
use crate::value::{header, shown};

/// Reads how an instance is chosen.
pub(super) fn balance(service: &Section<'_>) -> Balance {
    let Some(node) = service.node("balance") else {
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
