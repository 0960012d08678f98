//! Where a credential is looked for: `from` of an authentication, `in` of API keys.

use model::CredentialPlace;

use crate::faults::Flaw;
use crate::read::distinct;
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;
use crate::value::{header, shown};

pub(crate) const PLACE: Format = Format {
    noun: "\"bearer\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"",
    pattern: Some("^(bearer|(header|cookie|query):.+)$"),
};

pub(crate) const FROM_KEY: Key = Key::new(
    "from",
    Shape::List { of: &Shape::Text(&PLACE), empty: Empty::Refused },
    Absent::Texts(&["bearer"]),
    "[\"bearer\", \"cookie:access_token\"]",
    "Where a token is looked for: the first of these that has one counts, whatever it is worth. `bearer` is the \
     header `authorization: Bearer TOKEN`.",
)
.aka(&["in", "sources", "token_from", "from_headers", "locations"]);

/// Reads `from`; `None` where something in it is wrong.
pub(super) fn read(section: &Section<'_>) -> Option<Vec<CredentialPlace>> {
    match section.node(FROM_KEY.name) {
        Some(node) => {
            let places = distinct(node.items(), "place", |item| item.parse(parse), Clone::clone);
            (!places.is_empty()).then_some(places)
        }
        None => section.default_texts(FROM_KEY.name).iter().map(|text| parse(text).ok()).collect(),
    }
}

/// Reads one.
pub(super) fn parse(text: &str) -> Result<CredentialPlace, Flaw> {
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is no place of a credential", shown(text)), why, hint)
    };
    match (kind, text.contains(':')) {
        ("bearer", false) => Ok(CredentialPlace::Bearer),
        ("header", true) => header::parse_name(name).map(CredentialPlace::Header),
        ("cookie", true) => header::parse_cookie(name).map(CredentialPlace::Cookie),
        ("query", true) if !name.is_empty() => Ok(CredentialPlace::Query(name.to_owned())),
        ("header" | "cookie" | "query", _) => {
            Err(flaw("its name is missing", format!("write \"{kind}:NAME\"")))
        }
        _ => {
            let hint = match suggest::nearest(kind, ["bearer", "header", "cookie", "query"]) {
                Some("bearer") => "did you mean \"bearer\"?".to_owned(),
                Some(meant) => format!("did you mean \"{meant}:NAME\"?"),
                None => format!("write {}", PLACE.noun),
            };
            Err(flaw("nothing of this kind holds one", hint))
        }
    }
}
