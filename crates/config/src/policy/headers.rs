//! `request_headers` and `response_headers` of a route.

use std::ops::Range;

use model::HeaderEdits;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::distinct;
use crate::read::named::named;
use crate::schema::{Absent, Empty, HEADER_NAME, HEADER_VALUE, Key, Shape, Table};
use crate::section::Section;
use crate::value::header::Side;
use crate::value::{header, secret};

pub(crate) const REQUEST_KEY: Key = Key::new(
    "request_headers",
    Shape::Table(&HEADER_EDITS),
    Absent::Inner,
    "{ set = { \"x-env\" = \"prod\" } }",
    "Changes the headers that the instance sees. Only with `to`.",
)
.aka(&["proxy_set_header", "set_headers", "header_up"])
.needs(&["to"]);

pub(crate) const RESPONSE_KEY: Key = Key::new(
    "response_headers",
    Shape::Table(&HEADER_EDITS),
    Absent::Inner,
    "{ remove = [\"server\"] }",
    "Changes the headers that the client sees.",
)
.aka(&["add_header", "header_down"]);

pub(crate) static HEADER_EDITS: Table = Table {
    header: "[routes.request_headers], [routes.response_headers]",
    noun: "changes of headers",
    doc: "Changes of headers. Those that frame a message or belong to one connection only cannot be \
          changed: `host` (see `rewrite.host`), `content-length`, `transfer-encoding`, \
          `connection`, `keep-alive`, `te`, `trailer`, `upgrade`, `expect`, `proxy` and `proxy-*`. \
          A name that servers may read as the same (`x_env` for `x-env`) is replaced and removed with it, in a \
          body's trailers too.",
    keys: &[
        Key::new(
            "set",
            Shape::Names { names: "HEADER", of: &Shape::Text(&HEADER_VALUE) },
            Absent::Means("nothing is set"),
            "{ \"x-env\" = \"prod\" }",
            "Sets these headers to these values, replacing what was there.",
        )
        .aka(&["add", "append", "replace"]),
        Key::new(
            "remove",
            Shape::List { of: &Shape::Text(&HEADER_NAME), empty: Empty::Allowed },
            Absent::Means("nothing is removed"),
            "[\"x-debug\"]",
            "Removes these headers.",
        )
        .aka(&["delete", "unset", "hide", "del"]),
    ],
    later: &[],
};

/// Reads those of this side.
pub(crate) fn read(route: &Section<'_>, side: Side) -> HeaderEdits {
    let key = match side {
        Side::Request => REQUEST_KEY.name,
        Side::Response => RESPONSE_KEY.name,
    };
    route.section(key, |section| edits(section, side))
}

/// Reads what is set and what is removed, sorted by name.
fn edits(section: &Section<'_>, side: Side) -> HeaderEdits {
    let editable = |text: &str| editable_name(text, side);
    let set = named(section, "set", secret::is_named, editable, header::parse_value);
    let read = |item: &Node<'_>| {
        let name = item.parse(editable)?;
        if let Some(set) = set.iter().find(|set| set.name == name) {
            refuse_both(item, &name, set.span.clone());
        }
        Some(name)
    };
    let mut remove = match section.node("remove") {
        Some(node) => distinct(node.items(), "header", read, String::clone),
        None => Vec::new(),
    };
    remove.sort_unstable();
    HeaderEdits { set: set.into_iter().map(|set| (set.name, set.value)).collect(), remove }
}

fn editable_name(text: &str, side: Side) -> Result<String, Flaw> {
    let name = header::parse_name(text)?;
    header::check_editable(&name, side).map(|()| name)
}

fn refuse_both(item: &Node<'_>, name: &str, set: Range<usize>) {
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{name}` is both set and removed"),
        "removed here",
        "setting it replaces the old value; leave it out of `remove`",
    );
    item.report_with(flaw, &[(set, "set here")]);
}
