//! `body` of a route.

use model::BodyLimit;

use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "body",
    Shape::SizeOrUnlimited,
    Absent::Means("the listener's `limits.body`"),
    "\"50MiB\"",
    "How large a request's body may be. Only with `to`.",
)
.aka(&["client_max_body_size", "body_limit", "max_body"])
.needs(&["to"]);

pub(crate) fn read(route: &Section<'_>) -> Option<BodyLimit> {
    route.node(KEY.name).and_then(|node| node.body_limit())
}
