//! `include` and `[defaults]`.

use super::route::ROUTE;
use super::service::SERVICE;
use super::{Absent, Empty, Format, Key, Shape, Table};

const PATTERN: Format =
    Format { noun: "the path of a file, or a pattern of such paths", pattern: Some(".") };

pub(super) const INCLUDE_KEY: Key = Key::new(
    "include",
    Shape::List { of: &Shape::Text(&PATTERN), empty: Empty::Allowed },
    Absent::Texts(&[]),
    "[\"routes/*.toml\"]",
    "More files: `*` is any part of a name, `?` one character. Each may have `listeners`, `services`, `routes` and \
     `include`, whose names are one set: nothing is defined twice. The routes of a file come before those of the \
     files that it includes; files of one pattern are sorted by path, and each file is read once. Relative paths \
     start at the directory of the file in which they stand. A name without `*` and `?` must be there.",
)
.aka(&["includes", "import", "imports"]);

pub(super) const DEFAULTS_KEY: Key = Key::new(
    "defaults",
    Shape::Table(&DEFAULTS),
    Absent::Means("none"),
    "{ services = { health = { path = \"/health\" } } }",
    "What each service and each route has unless it says otherwise.",
)
.aka(&["default"]);

pub(crate) static DEFAULTS: Table = Table {
    header: "[defaults]",
    noun: "the defaults",
    doc: "What each service and each route has unless it says otherwise, in whatever file it stands. Tables are merged \
          key by key; any other value, a list too, replaces the default as a whole. Keys of instances that Plimsoll \
          runs go to services with a `command`; `rewrite`, `request_headers` and `body` to routes with `to`. A health \
          check of another kind takes nothing from the default; where a service has a `strategy` or `steps` of its \
          own, the default's `strategy`, `steps` and `surge` are not taken.",
    keys: &[
        Key::new(
            "services",
            Shape::Defaults { of: &SERVICE, but: &["targets", "command", "defaults"] },
            Absent::Means("none"),
            "{ health = { path = \"/health\" } }",
            "The keys of `[services.NAME]` but `targets` and `command`.",
        )
        .aka(&["service"]),
        Key::new(
            "routes",
            Shape::Defaults { of: &ROUTE, but: &["to", "redirect", "respond", "defaults"] },
            Absent::Means("none"),
            "{ response_headers = { set = { \"x-frame-options\" = \"DENY\" } } }",
            "The keys of `[[routes]]` but `to`, `redirect` and `respond`.",
        )
        .aka(&["route"]),
    ],
    later: &[],
};

/// Of a service or a route.
pub(super) const OWN_KEY: Key = Key::new(
    "defaults",
    Shape::Flag,
    Absent::Flag(true),
    "false",
    "`false` takes nothing from `[defaults]`.",
)
.aka(&["inherit_defaults", "use_defaults"]);
