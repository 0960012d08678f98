//! `redirect` of a route.

use model::Redirect;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::narrow;
use crate::schema::{Absent, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::location;

const LOCATION: Format =
    Format { noun: "an absolute URL, or a path", pattern: Some("^(https?://[^/]|/)") };

/// A URL alone, or with a status.
static FORMS: [Shape; 2] = [Shape::Text(&LOCATION), Shape::Table(&REDIRECT)];

pub(crate) const KEY: Key = Key::new(
    "redirect",
    Shape::Either(&FORMS),
    Absent::Means("`to` or `respond` must be there"),
    "\"https://new.example.com\"",
    "Sends the client elsewhere.",
)
.aka(&["return", "redir"]);

pub(crate) static REDIRECT: Table = Table {
    header: "[routes.redirect]",
    noun: "a redirect",
    doc: "Sends the client elsewhere. A text is short for a table with only its `to`.",
    keys: &[
        Key::new(
            "to",
            Shape::Text(&LOCATION),
            Absent::Fault,
            "\"https://new.example.com\"",
            "Where to. Path and query of the request are appended to a URL that has no path of its \
             own.",
        )
        .aka(&["url", "location", "target"]),
        Key::new(
            "status",
            Shape::Count(301..=308),
            Absent::Count(308),
            "302",
            "301, 302, 303, 307 or 308.",
        )
        .aka(&["code"]),
    ],
    later: &[],
};

/// Reads a redirect, for which `route` has the default status.
pub(crate) fn read(node: &Node<'_>, route: &Section<'_>) -> Option<Redirect> {
    if !node.is_table() {
        let status = narrow(route.absent("redirect").count("status"))?;
        return Some(Redirect { to: node.parse(location::parse)?, status });
    }
    let section = node.section()?;
    let status = narrow(section.count("status"))?;
    check_redirect_status(&section, status);
    let to = section.require("to").and_then(|node| node.parse(location::parse));
    Some(Redirect { to: to?, status })
}

fn check_redirect_status(section: &Section<'_>, status: u16) {
    if ![301, 302, 303, 307, 308].contains(&status) {
        let flaw = Flaw::new(
            Code::OutOfRange,
            format!("{status} does not redirect"),
            "the statuses that do are 301, 302, 303, 307 and 308",
            "308 is permanent and 307 temporary, and both keep the method; 301 and 302 are their \
             old forms; 303 changes to GET",
        );
        section.report_at("status", flaw, &[]);
    }
}
