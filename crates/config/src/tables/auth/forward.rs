//! `forward` of an authentication: the service that says of each request who it is from.

use model::{ForwardAuth, ServiceCookies};

use super::{claim, server};
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, asked, distinct};
use crate::schema::{Absent, Empty, HEADER_NAME, Key, Shape, Table};
use crate::section::Section;
use crate::value::header::{self, Side};

pub(super) const KEY: Key = Key::new(
    "forward",
    Shape::Table(&FORWARD),
    Absent::Means("nobody else is asked"),
    "{ to = \"http://127.0.0.1:9000/verify\", headers = [\"x-user-id\"] }",
    "Another service says of each request who it is from, as with nginx's `auth_request` and Traefik's `ForwardAuth`.",
)
.aka(&["forward_auth", "forwardauth", "auth_request", "ext_authz", "external"]);

static FORWARD: Table = Table {
    header: "[auth.NAME.forward]",
    noun: "forward authentication",
    doc: "Another service is asked by a GET without a body, with the request's method, scheme, host, target and client as `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` \
          and `-For`. 2xx lets the request in; 401, 403 and redirects are the client's, with `WWW-Authenticate`, `Location`, `Set-Cookie` and `Cache-Control`; anything else, or nothing, is 503. A response holds \
          once, or for as long as its `Cache-Control: max-age` says (at most 1 hour), for requests of which the service is told the same.",
    keys: &[
        Key::new(
            "to",
            Shape::Text(&asked::URL),
            Absent::Fault,
            "\"http://127.0.0.1:9000/verify\"",
            "Where the service is asked. Redirects are the client's, and never followed.",
        )
        .aka(&["address", "url", "uri", "endpoint"]),
        Key::new(
            "send",
            Shape::List { of: &Shape::Text(&HEADER_NAME), empty: Empty::Allowed },
            Absent::Texts(&["authorization", "cookie"]),
            "[\"authorization\", \"cookie\", \"accept\"]",
            "The headers of the request that the service is sent. What it is sent is what its response is taken to depend on.",
        )
        .aka(&["request_headers", "auth_request_headers", "authRequestHeaders", "allowed_headers", "copy"]),
        Key::new(
            "headers",
            Shape::List { of: &Shape::Text(&HEADER_NAME), empty: Empty::Allowed },
            Absent::Means("none"),
            "[\"x-user-id\", \"x-roles\"]",
            "The headers of its response that instances are told: what a client sends under these names, or under names that servers may read as the same, is dropped.",
        )
        .aka(&["response_headers", "auth_response_headers", "authResponseHeaders", "copy_headers"]),
        Key::new(
            "subject",
            Shape::Text(&HEADER_NAME),
            Absent::Means("who it is is not known"),
            "\"x-user-id\"",
            "The header of its response that says who it is: the subject of limits, bans and the access log, and the claim `sub`.",
        )
        .aka(&["user", "user_header", "sub"]),
        Key::new(
            "set_cookies",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Whether clients get the cookies that the service sets as it lets a request in (`Set-Cookie` of a 2xx), as a service does that renews its sessions. A response that sets \
             one holds for one request.",
        )
        .aka(&["cookies", "addAuthCookiesToResponse", "add_auth_cookies_to_response", "allowed_client_headers_on_success"]),
        server::TIMEOUT,
        asked::CA,
    ],
    later: &[],
};

pub(super) fn read(section: &Section<'_>, context: &Context<'_>) -> Option<ForwardAuth> {
    let server = server::read(section, "to", context);
    let headers = names(section, "headers", claim::check_free);
    let subject = section.node("subject").map(|node| node.parse(told));
    let send = names(section, "send", sendable);
    if let Some(both) = send.iter().find(|name| headers.contains(name)) {
        let flaw = Flaw::new(
            Code::Conflict,
            format!("`{both}` is both asked with and told"),
            "what a client sends under the name of one of `headers` is dropped",
            "leave it out of `send`",
        );
        section.report_at("send", flaw, &[]);
    }
    let subject = match subject {
        Some(subject) => Some(subject?),
        None => None,
    };
    let cookies = match section.flag("set_cookies") {
        true => ServiceCookies::Passed,
        false => ServiceCookies::Dropped,
    };
    Some(ForwardAuth { server: server?, send, headers, subject, cookies })
}

/// The names of headers at `key`, sorted, or its default.
fn names(
    section: &Section<'_>,
    key: &'static str,
    check: impl Fn(&str) -> Result<(), Flaw>,
) -> Vec<String> {
    let read = |item: &Node<'_>| {
        item.parse(|text| {
            let name = told(text)?;
            check(&name).map(|()| name)
        })
    };
    let mut names = match section.node(key) {
        Some(node) => distinct(node.items(), "header", read, String::clone),
        None if key == "send" => {
            section.default_texts(key).iter().map(|name| (*name).to_owned()).collect()
        }
        None => Vec::new(),
    };
    names.sort_unstable();
    names
}

fn told(text: &str) -> Result<String, Flaw> {
    let name = header::parse_name(text)?;
    header::check_editable(&name, Side::Request).map(|()| name)
}

/// The service is told the way of a request by Plimsoll, and never by a client.
fn sendable(name: &str) -> Result<(), Flaw> {
    let read = name.replace('_', "-");
    if read.starts_with("x-forwarded-") || ["forwarded", "x-real-ip", "via"].contains(&&*read) {
        return Err(Flaw::invalid(
            format!("`{name}` is not sent as a client has it"),
            "the service is told the way of a request by Plimsoll itself, in `X-Forwarded-*`",
            "leave it out",
        ));
    }
    Ok(())
}
