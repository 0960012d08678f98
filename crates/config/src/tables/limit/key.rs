//! `key` of a limit: what requests share a bucket by.

use model::KeyPart;

use crate::faults::Flaw;
use crate::read::distinct;
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;
use crate::tables::auth::claim;
use crate::value::{header, shown};

const PART: Format = Format {
    noun: "\"subject\", \"ip\", \"path\", \"claim:PATH\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"",
    pattern: Some("^(subject|ip|path|(claim|header|cookie|query):.+)$"),
};

/// Those that are told by a word alone.
const WORDS: [&str; 3] = ["subject", "ip", "path"];
/// Those that have a name.
const NAMED: [&str; 4] = ["claim", "header", "cookie", "query"];

pub(super) const KEY: Key = Key::new(
    "key",
    Shape::Either(&[
        Shape::Text(&PART),
        Shape::List { of: &Shape::Text(&PART), empty: Empty::Refused },
    ]),
    Absent::Fault,
    "\"ip\"",
    "What requests share a bucket by, or a list: all of it together. `subject` is that of any authentication; `ip` the client's address, of \
     IPv6 its /64; `path` the path as routes see it. Requests that lack it share one bucket. With `subject` or `claim:` the limit comes \
     after authentication, otherwise before it.",
)
.aka(&["by", "keys", "per", "limit_by", "key_resolver", "zone"]);

/// Reads it; `None` where something in it is wrong.
pub(super) fn read(limit: &Section<'_>) -> Option<Vec<KeyPart>> {
    let node = limit.require(KEY.name)?;
    let parts =
        distinct(node.one_or_many(), "part of a key", |item| item.parse(parse), Clone::clone);
    (!parts.is_empty()).then_some(parts)
}

/// Reads one.
fn parse(text: &str) -> Result<KeyPart, Flaw> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is nothing to share a bucket by", shown(text)), why, hint)
    };
    match (kind, text.contains(':')) {
        ("subject", false) => Ok(KeyPart::Subject),
        ("ip", false) => Ok(KeyPart::Ip),
        ("path", false) => Ok(KeyPart::Path),
        ("claim", true) if !name.is_empty() => claim::parse(name).map(|it| KeyPart::Claim(it.0)),
        ("header", true) => header::parse_name(name).map(KeyPart::Header),
        ("cookie", true) => header::parse_cookie(name).map(KeyPart::Cookie),
        ("query", true) if !name.is_empty() => Ok(KeyPart::Query(name.to_owned())),
        (kind, _) if NAMED.contains(&kind) => {
            Err(flaw("its name is missing", format!("write \"{kind}:NAME\"")))
        }
        _ => {
            let hint = match suggest::nearest(kind, WORDS.into_iter().chain(NAMED)) {
                Some(meant) if WORDS.contains(&meant) => format!("did you mean \"{meant}\"?"),
                Some(meant) => format!("did you mean \"{meant}:NAME\"?"),
                None => format!("write {}", PART.noun),
            };
            Err(flaw("no request has a part of this kind", hint))
        }
    }
}
