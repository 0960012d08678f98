//! `cors` of a route.

use std::time::Duration;

use model::{Cors, OriginMatch};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::distinct;
use crate::schema::{Absent, Empty, Format, HEADER_NAME, Key, METHOD, Shape, Table};
use crate::section::Section;
use crate::value::{header, origin};

pub(crate) const KEY: Key = Key::new(
    "cors",
    Shape::Table(&CORS),
    Absent::Means("what instances say of it themselves is passed on"),
    "{ origins = [\"https://shop.example.com\"] }",
    "Lets pages of other origins use the route. Plimsoll then answers browsers' preflights itself, and what \
     instances say under `access-control-*` is replaced.",
)
.aka(&["cross_origin", "access_control", "cors_policy"]);

const ORIGIN: Format = Format {
    noun: "an origin such as \"https://shop.example.com\" or \"https://*.example.com\", or \"*\"",
    pattern: Some(r"^\*$|^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+$"),
};
/// No browser keeps an answer for longer than a day.
const MAX_AGE: Duration = Duration::from_secs(86_400);

static CORS: Table = Table {
    header: "[routes.cors]",
    noun: "cross-origin access",
    doc: "Lets pages of other origins use the route (the CORS protocol of the Fetch standard). Preflights are answered \
          before authentication and limits, those of origins that are not listed with 403. Every other response \
          carries the headers, errors too. It keeps no request away: only browsers ask, and only they obey.",
    keys: &[
        Key::new(
            "origins",
            Shape::List { of: &Shape::Text(&ORIGIN), empty: Empty::Refused },
            Absent::Fault,
            "[\"https://shop.example.com\"]",
            "The origins whose pages may use the route: `https://*.example.com` is every host that ends so, \
             but not `example.com`; `*` alone is any page.",
        )
        .aka(&["origin", "allow_origins", "allow_origin", "allowed_origins"]),
        Key::new(
            "methods",
            Shape::List { of: &Shape::Text(&METHOD), empty: Empty::Refused },
            Absent::Means("each method that the route takes"),
            "[\"GET\", \"PUT\"]",
            "The methods that they may use.",
        )
        .aka(&["method", "allow_methods", "allowed_methods"]),
        Key::new(
            "headers",
            Shape::List { of: &Shape::Text(&HEADER_NAME), empty: Empty::Refused },
            Absent::Means("each header that is asked for"),
            "[\"content-type\", \"authorization\"]",
            "The headers that they may send, beside those that every page may.",
        )
        .aka(&["header", "allow_headers", "allowed_headers"]),
        Key::new(
            "expose",
            Shape::List { of: &Shape::Text(&HEADER_NAME), empty: Empty::Refused },
            Absent::Means("only those that every page may read"),
            "[\"x-total-count\"]",
            "The headers of responses that they may read.",
        )
        .aka(&["expose_headers", "exposed_headers"]),
        Key::new(
            "credentials",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Whether requests may carry cookies and HTTP authentication. Not with any origin (`*`).",
        )
        .aka(&["allow_credentials"]),
        Key::new(
            "max_age",
            Shape::Duration(Duration::ZERO..=MAX_AGE),
            Absent::Means("what browsers take by themselves, 5 seconds"),
            "\"1h\"",
            "How long a browser may go by the answer to a preflight. Some keep it for no longer than 2 hours.",
        )
        .aka(&["ttl", "preflight_max_age"]),
    ],
    later: &[],
};

pub(crate) fn read(route: &Section<'_>) -> Option<Cors> {
    let node = route.node(KEY.name)?;
    let cors = node.section()?;
    let credentials = cors.flag("credentials");
    let origins = match cors.require("origins") {
        Some(node) => distinct(
            node.items(),
            "origin",
            |item| item.parse(origin::parse),
            OriginMatch::to_string,
        ),
        None => Vec::new(),
    };
    if origins.contains(&OriginMatch::Any) {
        refuse_beside_any(&cors, &origins);
        if credentials {
            refuse_credentials(&cors);
        }
    }
    let headers = |key| list(&cors, key, "header", header::parse_name);
    let methods = list(&cors, "methods", "method", header::parse_method);
    let (headers, expose) = (headers("headers"), headers("expose"));
    if credentials {
        for (key, names) in [("methods", &methods), ("headers", &headers), ("expose", &expose)] {
            if names.iter().any(|name| name == "*") {
                refuse_star(&cors, key);
            }
        }
    }
    Some(Cors {
        methods,
        headers,
        expose,
        max_age: cors.node("max_age").and_then(|node| node.duration()),
        origins,
        credentials,
    })
}

/// The texts at `key`, read by `read`.
fn list(
    cors: &Section<'_>,
    key: &'static str,
    noun: &'static str,
    read: impl Fn(&str) -> Result<String, Flaw>,
) -> Vec<String> {
    let node = cors.node(key);
    let items = node.iter().flat_map(Node::items);
    distinct(items, noun, |item| item.parse(&read), String::clone)
}

fn refuse_beside_any(cors: &Section<'_>, origins: &[OriginMatch]) {
    if origins.len() == 1 {
        return;
    }
    let flaw = Flaw::new(
        Code::Conflict,
        "`*` is any origin, and others are named beside it",
        "the others have no effect",
        "remove `*`, or the others",
    );
    cors.report_at("origins", flaw, &[]);
}

fn refuse_star(cors: &Section<'_>, key: &'static str) {
    let hint = match key {
        "expose" => "name the headers",
        _ => "leave it out: then each that is asked for may be used",
    };
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`*` in `{key}` with `credentials`"),
        "with credentials browsers take it for a name",
        hint,
    );
    cors.report_at(key, flaw, &[]);
}

fn refuse_credentials(cors: &Section<'_>) {
    let flaw = Flaw::new(
        Code::Conflict,
        "`credentials` are not for any origin",
        "any page could act and read as the user that looks at it, and browsers refuse it",
        "name the origins whose pages may, or leave `credentials` out",
    );
    cors.report_at("credentials", flaw, &[]);
}
