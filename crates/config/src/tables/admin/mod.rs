//! `[admin]`: the API that the commands talk to.

use model::{Admin, TokenSource};
use tls::Said;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::{Context, file};
use crate::schema::VARIABLE;
use crate::schema::{ADDRESS, Absent, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::{address, name};

mod tls;

pub(crate) const KEY: Key = Key::new(
    "admin",
    Shape::Table(&ADMIN),
    Absent::Inner,
    "{ bind = \"127.0.0.1:7070\" }",
    "The API that the commands talk to.",
)
.aka(&["api", "dashboard", "metrics"]);

pub(crate) static ADMIN: Table = Table {
    header: "[admin]",
    noun: "the admin API",
    doc: "The API that the commands talk to. It is always there as the socket \
          `state_dir/admin.sock`, for its owner.",
    keys: &[
        Key::new(
            "bind",
            Shape::Text(&ADDRESS),
            Absent::Means("only the socket"),
            "\"127.0.0.1:7070\"",
            "Also on TCP, at this address: the API and `/metrics`.",
        )
        .aka(&["listen", "address", "port"]),
        Key::new(
            "token_env",
            Shape::Text(&VARIABLE),
            Absent::Means("no token: read-only, and only where `bind` is a loopback address"),
            "\"PLIMSOLL_TOKEN\"",
            "The environment variable with the token that clients on TCP must show: at least 16 bytes \
             (`openssl rand -hex 32` makes one). The token itself is never in the file.",
        )
        .aka(&["token"]),
        Key::new(
            "token_file",
            Shape::Text(&Format { noun: "the path of a file", pattern: Some(".") }),
            Absent::Means("none"),
            "\"/etc/plimsoll/token\"",
            "A file with that token, instead of a variable. No user but its owner may read it.",
        )
        .aka(&["token_path"]),
        Key::new(
            "read_token_env",
            Shape::Text(&VARIABLE),
            Absent::Means("no such token"),
            "\"PLIMSOLL_READ\"",
            "The environment variable with a second token, which lets clients on TCP read and \
             never act: for `/metrics` and dashboards.",
        )
        .aka(&["read_token", "metrics_token", "readonly_token_env"]),
        tls::KEY,
        Key::new(
            "plain_text",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Allows `bind` to be another than a loopback address without `tls`, although its traffic, tokens \
             included, can be read and changed on its way: set it where something else protects \
             that traffic (a VPN, a proxy that \
             speaks TLS).",
        )
        .aka(&["insecure", "allow_plain_text", "plaintext"]),
    ],
    later: &[],
};

/// Reads `[admin]`.
pub(crate) fn read(admin: &Section<'_>, context: &mut Context<'_>) -> Admin {
    let token = token(admin);
    let read_token_env = admin.parse("read_token_env", name::parse_variable);
    let is_plain = admin.flag("plain_text");
    let tls = match tls::read(admin, context) {
        Some(Said::Here(tls)) => Some(tls),
        Some(Said::Ordered(wish)) => {
            context.acme.admin = Some(wish);
            None
        }
        None => None,
    };
    let node = admin.node("bind");
    let bind = node.as_ref().and_then(|node| node.parse(address::parse_bind));
    if let (Some(node), Some(address)) = (&node, bind) {
        context.bind(node, address);
        let is_open = !address.ip().is_loopback();
        if is_open && !TOKENS.into_iter().any(|key| admin.has(key)) {
            node.report(Flaw::new(
                Code::Missing,
                "the admin API is open to others without a token",
                "not a loopback address, and there is no `token_env`",
                "set `token_env = \"PLIMSOLL_TOKEN\"` and put the token into that variable, or \
                 bind to 127.0.0.1",
            ));
        }
        let speaks_tls = admin.has(tls::KEY.name) || admin.is_meant(tls::KEY.name);
        if is_open && !speaks_tls && !admin.has("plain_text") {
            node.report(Flaw::new(
                Code::Missing,
                "tokens for the admin API are sent in the clear",
                "not a loopback address, and there is no TLS",
                "give it a certificate, as by `tls = { internal = true }`; bind to 127.0.0.1; or say `plain_text = true` if something else protects what is sent",
            ));
        }
        if is_plain && speaks_tls {
            warn_of_plain_text(admin, "beside `tls`", "all that is sent is encrypted");
        } else if is_plain && !is_open {
            let where_to = "where `bind` is a loopback address";
            warn_of_plain_text(admin, where_to, "no other program can listen there");
        }
    }
    if node.is_none() {
        for key in
            TOKENS.into_iter().chain(["plain_text", tls::KEY.name]).filter(|key| admin.has(key))
        {
            let flaw = Flaw::new(
                Code::NoEffect,
                format!("`{key}` does nothing without `bind`"),
                "the socket needs no token: only its owner can open it",
                "add `bind = \"127.0.0.1:7070\"`, or remove it",
            );
            admin.report_at(key, flaw, &[]);
        }
    }
    Admin { bind, token, read_token_env, tls }
}

fn warn_of_plain_text(admin: &Section<'_>, place: &str, why: &str) {
    let what = format!("`plain_text` does nothing {place}");
    admin.report_at("plain_text", Flaw::new(Code::NoEffect, what, why, "remove it"), &[]);
}

/// The keys that say where a token is.
const TOKENS: [&str; 3] = ["token_env", "token_file", "read_token_env"];

fn token(admin: &Section<'_>) -> Option<TokenSource> {
    let variable = admin.parse("token_env", name::parse_variable);
    let file = admin.node("token_file").and_then(|node| file::path(&node));
    if let (true, Some(span)) = (admin.has("token_env"), admin.entry_span("token_file")) {
        let flaw = Flaw::new(
            Code::Conflict,
            "both `token_env` and `token_file`",
            "the token is in a variable",
            "keep one of them",
        );
        admin.report_at("token_env", flaw, &[(span, "or in a file")]);
    }
    variable.map(TokenSource::Variable).or(file.map(TokenSource::File))
}
