//! Reads `[server]`, `[admin]` and `[log]`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use model::{AccessLog, Admin, Log, LogFormat, LogLevel, Server, TokenSource};

use super::{Context, file, narrow};
use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::{Node, unsupported};
use crate::schema::ACCESS_LATER;
use crate::section::Section;
use crate::value::{address, name, shown};

/// Reads `[server]`.
pub(super) fn server(root: &Section<'_>, origin: &Origin) -> Option<Server> {
    root.section("server", |server| {
        let workers = server.node("workers").and_then(|node| node.count());
        let memory = server.size("memory");
        let drain = server.duration("drain");
        let state_dir = state_dir(server, origin);
        Some(Server {
            state_dir: state_dir?,
            workers: workers.and_then(narrow::<usize>).and_then(NonZeroUsize::new),
            memory: narrow(memory)?,
            drain,
        })
    })
}

fn state_dir(server: &Section<'_>, origin: &Origin) -> Option<PathBuf> {
    if let Some(node) = server.node("state_dir") {
        let path = file::path(&node)?;
        file::warn_of_parent(&node, &path, origin, "it would be made, and the state be kept there");
        return Some(path);
    }
    let default = origin.environment.state_dir();
    if default.is_none() {
        server.report(Flaw::new(
            Code::Missing,
            "there is no directory for the state",
            "without root it is kept below $XDG_STATE_HOME or $HOME, and neither is set",
            "set one of them, or `server.state_dir`",
        ));
    }
    default
}

/// Reads `[admin]`.
pub(super) fn admin(admin: &Section<'_>, context: &mut Context<'_>) -> Admin {
    let token = token(admin);
    let read_token_env = admin.parse("read_token_env", name::parse_variable);
    let is_plain = admin.flag("plain_text");
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
        if is_open && !admin.has("plain_text") {
            node.report(Flaw::new(
                Code::Missing,
                "tokens for the admin API are sent in the clear",
                "not a loopback address, and there is no TLS",
                "bind to 127.0.0.1, or say `plain_text = true` if something else protects what is sent",
            ));
        }
        if !is_open && is_plain {
            let flaw = Flaw::new(
                Code::NoEffect,
                "`plain_text` does nothing where `bind` is a loopback address",
                "no other program can listen there",
                "remove it",
            );
            admin.report_at("plain_text", flaw, &[]);
        }
    }
    if node.is_none() {
        for key in TOKENS.into_iter().chain(["plain_text"]).filter(|key| admin.has(key)) {
            let flaw = Flaw::new(
                Code::NoEffect,
                format!("`{key}` does nothing without `bind`"),
                "the socket needs no token: only its owner can open it",
                "add `bind = \"127.0.0.1:7070\"`, or remove it",
            );
            admin.report_at(key, flaw, &[]);
        }
    }
    Admin { bind, token, read_token_env }
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

/// Reads `[log]`.
pub(super) fn log(log: &Section<'_>, origin: &Origin) -> Log {
    Log {
        level: log.word("level", level),
        format: log.word("format", format),
        access: log.node("access").and_then(|node| access(&node, origin)).unwrap_or_default(),
    }
}

fn level(word: &str) -> Option<LogLevel> {
    match word {
        "error" => Some(LogLevel::Error),
        "warn" => Some(LogLevel::Warn),
        "info" => Some(LogLevel::Info),
        "debug" => Some(LogLevel::Debug),
        "trace" => Some(LogLevel::Trace),
        _ => None,
    }
}

fn format(word: &str) -> Option<LogFormat> {
    match word {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

fn access(node: &Node<'_>, origin: &Origin) -> Option<AccessLog> {
    match node.text()? {
        "stdout" => Some(AccessLog::Stdout),
        "off" => Some(AccessLog::Off),
        text => match mistaken(text) {
            Some(flaw) => {
                node.report(flaw);
                None
            }
            None => {
                let path = file::path(node)?;
                // The directory itself is made as that of the state is.
                let directory = path.parent().unwrap_or(Path::new("/"));
                file::warn_of_parent(
                    node,
                    directory,
                    origin,
                    "it would be made, and the log be kept there",
                );
                Some(AccessLog::File(path))
            }
        },
    }
}

/// What is wrong with `text` as the path of an access log, where it looks like a word rather.
fn mistaken(text: &str) -> Option<Flaw> {
    let word = text.split(':').next().unwrap_or(text);
    if let Some(later) = ACCESS_LATER.iter().find(|later| later.name == word) {
        return Some(unsupported(&format!("\"{word}\""), later));
    }
    if text.contains(['/', '.']) {
        return None;
    }
    let meant = match text {
        "none" | "no" | "false" | "null" => Some("off"),
        "stderr" | "console" | "-" => Some("stdout"),
        _ => suggest::nearest(text, ["stdout", "off"]),
    }?;
    Some(Flaw::invalid(
        format!("\"{}\" is no place for the access log", shown(text)),
        "expected \"stdout\", \"off\" or the path of a file",
        format!("did you mean \"{meant}\"? A file of this name is \"./{}\"", shown(text)),
    ))
}
