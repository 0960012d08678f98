//! `api_key` of an authentication: which keys are believed.

use model::{ApiKey, CredentialPlace};

use super::{listed, place};
use crate::node::Node;
use crate::read::{Context, distinct, file};
use crate::schema::{Absent, Empty, FILE, Key, Shape, Table};
use crate::section::Section;

pub(super) const KEY: Key = Key::new(
    "api_key",
    Shape::Table(&API_KEY),
    Absent::Means("no keys"),
    "{ in = \"header:x-api-key\", keys = \"partners.keys\" }",
    "Keys that are sent with each request.",
)
.aka(&["api_keys", "apikey", "key_auth", "key-auth"]);

static API_KEY: Table = Table {
    header: "[auth.NAME.api_key]",
    noun: "API keys",
    doc: "Which keys are believed. The subject is the key's name, which is the claim `sub`, too; there are no other claims.",
    keys: &[
        Key::new(
            "in",
            Shape::Either(&[
                Shape::Text(&place::PLACE),
                Shape::List { of: &Shape::Text(&place::PLACE), empty: Empty::Refused },
            ]),
            Absent::Texts(&["header:x-api-key"]),
            "\"header:x-api-key\"",
            "Where a key is looked for, or a list: the first of these that has one counts, whatever it is worth. `bearer` is the \
             header `authorization: Bearer KEY`.",
        )
        .aka(&["from", "key_names", "key_in", "header"]),
        Key::new(
            "keys",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"partners.keys\"",
            "A file with the names of keys and the SHA-256 of each: on each line a name, a colon and 64 hexadecimal digits \
             (`printf %s \"$KEY\" | sha256sum`). A name may have several keys. Read again on each reload: a key whose line is gone is believed no more.",
        )
        .aka(&["key", "file", "keys_file", "key_file"]),
    ],
    later: &[],
};

pub(super) fn read(section: &Section<'_>, context: &Context<'_>) -> Option<ApiKey> {
    let places = places(section);
    let node = section.require("keys")?;
    let keys = file::document(&node, "the keys", context.origin)?;
    match policy::api_key::ApiKeys::parse(&keys.text) {
        Ok(known) if known.is_empty() => listed::warn_of_nobody(section, "keys", &keys),
        Ok(_) => {}
        Err(faults) => listed::refuse(section, "keys", &keys, &faults),
    }
    Some(ApiKey { places: places?, keys })
}

/// Where they are looked for; `None` where something in it is wrong.
fn places(section: &Section<'_>) -> Option<Vec<CredentialPlace>> {
    let Some(node) = section.node("in") else {
        return section.default_texts("in").iter().map(|it| place::parse(it).ok()).collect();
    };
    let read = |item: &Node<'_>| item.parse(place::parse);
    let places = distinct(node.one_or_many(), "place", read, Clone::clone);
    (!places.is_empty()).then_some(places)
}
