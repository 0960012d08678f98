//! `rewrite` of a route.

use model::{Matcher, PathMatch, Rewrite};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{AUTHORITY, Absent, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::{host, path};

const PREFIX: Format =
    Format { noun: "a path without a slash at its end", pattern: Some("^/.*[^/]$") };

pub(crate) const KEY: Key = Key::new(
    "rewrite",
    Shape::Table(&REWRITE),
    Absent::Inner,
    "{ add_prefix = \"/v2\" }",
    "Changes the request that the instance gets. Only with `to`.",
)
.aka(&["strip_prefix", "replace_path"])
.needs(&["to"]);

pub(crate) static REWRITE: Table = Table {
    header: "[routes.rewrite]",
    noun: "a rewrite",
    doc: "Changes the request that the instance gets, in this order.",
    keys: &[
        Key::new(
            "strip_prefix",
            Shape::Text(&PREFIX),
            Absent::Means("nothing is removed"),
            "\"/chat\"",
            "Removed from the start of the path. The route's `path` must say that it is always \
             there.",
        )
        .aka(&["strip", "trim_prefix"]),
        Key::new(
            "add_prefix",
            Shape::Text(&PREFIX),
            Absent::Means("nothing is added"),
            "\"/v2\"",
            "Put before the path.",
        )
        .aka(&["prefix", "prepend"]),
        Key::new(
            "host",
            Shape::Text(&AUTHORITY),
            Absent::Means("as the client sent it"),
            "\"chat.internal\"",
            "What the instance sees as `Host`.",
        )
        .aka(&["host_header", "hostname"]),
    ],
    later: &[],
};

/// Reads it for a route with this matcher, if that is whole.
pub(crate) fn read(route: &Section<'_>, matcher: Option<&Matcher>) -> Rewrite {
    route.section(KEY.name, |section| rewrite(section, matcher))
}

fn rewrite(section: &Section<'_>, matcher: Option<&Matcher>) -> Rewrite {
    let strip_prefix = section.parse("strip_prefix", path::parse_prefix);
    if let (Some(prefix), Some(matcher)) = (&strip_prefix, matcher)
        && !path::implies(&matcher.path, prefix)
    {
        refuse_prefix(section, prefix, &matcher.path);
    }
    Rewrite {
        strip_prefix,
        add_prefix: section.parse("add_prefix", path::parse_prefix),
        host: section.parse("host", host::parse_authority),
    }
}

fn refuse_prefix(section: &Section<'_>, prefix: &str, path: &PathMatch) {
    let why = match path {
        PathMatch::Any => "the route takes any path".to_owned(),
        PathMatch::Expression(_) => "an expression does not say how a path begins".to_owned(),
        PathMatch::Exact(_) | PathMatch::Prefix(_) => format!("the route takes {path}"),
    };
    let flaw = Flaw::new(
        Code::Conflict,
        format!("paths of this route need not begin with {prefix}"),
        why,
        format!("give the route `path = \"{prefix}/*\"`, or remove `strip_prefix`"),
    );
    section.report_at("strip_prefix", flaw, &[]);
}
