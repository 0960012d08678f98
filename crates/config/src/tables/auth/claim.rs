//! Claims: `claims` of an authentication, which instances are told, and the paths by which all speak of them.

use model::{ClaimHeader, ClaimPath};

use crate::faults::Flaw;
use crate::node::Node;
use crate::read::seen::Seen;
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::{Names, Section};
use crate::value::header::{self, Side};

pub(crate) const CLAIM: Format =
    Format { noun: "a claim such as \"sub\" or \"realm_access.roles\"", pattern: Some(".") };

/// A path with dots, or its names one by one.
static CLAIM_SHAPE: Shape = Shape::Either(&[
    Shape::Text(&CLAIM),
    Shape::List {
        of: &Shape::Text(&Format { noun: "the name of a claim", pattern: Some(".") }),
        empty: Empty::Refused,
    },
]);

pub(crate) const KEY: Key = Key::new(
    "claims",
    Shape::Names { names: "HEADER", of: &CLAIM_SHAPE },
    Absent::Means("none"),
    "{ \"x-user-id\" = \"sub\", \"x-roles\" = \"realm_access.roles\" }",
    "What instances are told, by header: what a client sends under these names, or under names that servers may read as \
     the same, is dropped. A dot leads into a claim; a list takes names as they are: `[\"https://shop/roles\"]`. Lists are joined by \
     commas; a claim that is absent, or is no text, number, flag or list of these, gives no header.",
)
.aka(&["headers", "claim_headers", "claim_to_headers", "forward_claims"]);

/// Reads `claims`, sorted by header.
pub(super) fn read(section: &Section<'_>) -> Vec<ClaimHeader> {
    let node = section.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let (mut seen, mut found) = (Seen::default(), Vec::new());
    for entry in names.iter().flat_map(Names::iter) {
        let header = entry.parse(|text| {
            let name = header::parse_name(text)?;
            header::check_editable(&name, Side::Request)?;
            check_free(&name).map(|()| name)
        });
        let claim = path(&entry.node);
        let (Some(header), Some(claim)) = (header, claim) else { continue };
        if let Some(first) = seen.insert(header.replace('_', "-"), entry.span.clone()) {
            let flaw = Flaw::new(
                crate::diagnostic::Code::Duplicate,
                format!("`{header}` occurs twice"),
                "here again",
                "keep one of them",
            );
            entry.report_with(flaw, &[(first, "here first")]);
            continue;
        }
        found.push(ClaimHeader { header, claim });
    }
    found.sort_by(|a, b| a.header.cmp(&b.header));
    found
}

/// What Plimsoll says of a request itself, and what a request says who it is by: under these names no claim can be told.
const TAKEN: [&str; 11] = [
    "authorization",
    "cookie",
    "forwarded",
    "max-forwards",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

pub(super) fn check_free(name: &str) -> Result<(), Flaw> {
    if TAKEN.contains(&name.replace('_', "-").as_str()) {
        return Err(Flaw::invalid(
            format!("`{name}` has a meaning of its own"),
            "an instance would see it twice, or clients could not send it on any route",
            "tell it in another header, for example `x-user-id`",
        ));
    }
    Ok(())
}

/// Reads where a claim stands.
pub(crate) fn path(node: &Node<'_>) -> Option<ClaimPath> {
    match node.is_list() {
        true => {
            let name = |item: Node<'_>| item.parse(|text| parse_name(text).map(str::to_owned));
            let names: Vec<Option<String>> = node.items().map(name).collect();
            let names: Option<Vec<String>> = names.into_iter().collect();
            names.filter(|names| !names.is_empty()).map(ClaimPath)
        }
        false => node.parse(parse),
    }
}

/// Reads a path with dots.
pub(crate) fn parse(text: &str) -> Result<ClaimPath, Flaw> {
    let names: Result<Vec<_>, _> = text.split('.').map(parse_name).collect();
    Ok(ClaimPath(names?.into_iter().map(str::to_owned).collect()))
}

fn parse_name(text: &str) -> Result<&str, Flaw> {
    if text.is_empty() {
        return Err(Flaw::invalid(
            "a claim's name is empty",
            "a dot leads from one name to the next",
            "write \"sub\" or \"realm_access.roles\"; a name that has dots itself stands in a list: \
             [\"https://shop.example.com/roles\"]",
        ));
    }
    Ok(text)
}
