//! `sticky` of a service: the cookie that keeps a client with its instance.

use std::time::Duration;

use model::{CookieSecurity, SameSite, ServiceName, Sticky};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::{Absent, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::{header, host, path};

const COOKIE: Format =
    Format { noun: "the name of a cookie", pattern: Some("^[!#-'*+.0-9A-Z^-z|~-]+$") };

const COOKIE_DOMAIN: Format = Format { noun: "a domain such as \"example.com\"", pattern: None };

const COOKIE_PATH: Format = Format { noun: "a path such as \"/shop\"", pattern: Some("^/") };

pub(crate) const KEY: Key = Key::new(
    "sticky",
    Shape::Table(&STICKY),
    Absent::Means("off"),
    "{}",
    "A signed cookie keeps a client with its instance.",
)
.aka(&["stickiness", "session", "affinity"]);

pub(crate) static STICKY: Table = Table {
    header: "[services.NAME.sticky]",
    noun: "a sticky cookie",
    doc: "A signed cookie keeps a client with its instance, as long as that is healthy.",
    keys: &[
        Key::new(
            "cookie",
            Shape::Text(&COOKIE),
            Absent::Means("`plimsoll-NAME`, with the service's name"),
            "\"shop_session\"",
            "The cookie's name. No two services that a client may meet at one host should have the same.",
        )
        .aka(&["name", "cookie_name"]),
        Key::new(
            "ttl",
            Shape::Duration(
                Duration::from_secs(1)..=Duration::from_secs(400 * 86_400),
            ),
            Absent::Means("until the client ends its session"),
            "\"1d\"",
            "How long the client keeps it.",
        )
        .aka(&["max_age", "expires", "duration"]),
        Key::new(
            "same_site",
            Shape::Word(&["lax", "strict", "none"], &[]),
            Absent::Text("lax"),
            "\"none\"",
            "From which sites it is sent; `none` where others frame the service.",
        )
        .aka(&["samesite"]),
        Key::new(
            "secure",
            Shape::Either(&[Shape::Word(&["auto"], &[]), Shape::Flag]),
            Absent::Text("auto"),
            "\"auto\"",
            "Whether it is sent over TLS alone. `auto`: where the client speaks TLS, with Plimsoll or with a \
             trusted proxy before it, and always with `same_site = \"none\"`.",
        ),
        Key::new(
            "domain",
            Shape::Text(&COOKIE_DOMAIN),
            Absent::Means("the host that set it"),
            "\"example.com\"",
            "To which domain it is sent, and to all below it.",
        ),
        Key::new(
            "path",
            Shape::Text(&COOKIE_PATH),
            Absent::Text("/"),
            "\"/shop\"",
            "Below which path it is sent.",
        ),
    ],
    later: &[],
};

/// Reads how the cookie is called, and how it travels. A service without a good name has a fault.
pub(crate) fn read(section: &Section<'_>, service: Option<&ServiceName>) -> Option<Sticky> {
    let cookie = match section.node("cookie") {
        Some(node) => node.parse(header::parse_cookie),
        None => service.map(|service| format!("plimsoll-{service}")),
    };
    let sticky = Sticky {
        ttl: section.node("ttl").and_then(|node| node.duration()),
        path: section.parse_or_default("path", path::parse_cookie_path)?,
        domain: section.parse("domain", host::parse_domain),
        same_site: section.word("same_site", same_site),
        secure: section.node("secure").map(|node| secure(&node)).unwrap_or_default(),
        ..Sticky::named(cookie?)
    };
    if sticky.same_site == SameSite::None && sticky.secure == CookieSecurity::Never {
        let flaw = Flaw::new(
            Code::Conflict,
            "browsers accept no cookie of other sites that is not secure",
            "with `same_site = \"none\"` no client would stay",
            "remove `secure`: then it is set where it is needed",
        );
        section.report_at("secure", flaw, &[]);
    }
    Some(sticky)
}

fn same_site(word: &str) -> Option<SameSite> {
    match word {
        "lax" => Some(SameSite::Lax),
        "strict" => Some(SameSite::Strict),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

fn secure(node: &Node<'_>) -> CookieSecurity {
    let word = || node.word(|word| (word == "auto").then_some(CookieSecurity::Auto));
    match node.is_flag() {
        true if node.flag() == Some(true) => CookieSecurity::Always,
        true => CookieSecurity::Never,
        false => word().unwrap_or_default(),
    }
}
