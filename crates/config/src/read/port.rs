//! Whether a command has a port of its own, where each instance has to listen on the one that it is given.
//!
//! A program may read `PORT` from its environment, so a command without `$PORT` is no fault. It is one nearly
//! always where the command itself names a port, or runs a program that is known to be told by its arguments only.

use model::Command;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;

/// Programs and modules that do not read `PORT`.
const DEAF: [&str; 4] = ["http.server", "uvicorn", "hypercorn", "SimpleHTTPServer"];

/// Warns where `command` would hardly listen on the port that it is given.
pub(crate) fn warn_of_own(node: &Node<'_>, command: &Command) {
    let words = match command {
        Command::Arguments(words) => words.clone(),
        Command::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
        // The shell has PORT, and so has whatever it runs.
        Command::Shell(_) => return,
    };
    let is_told = words.iter().any(|word| word.contains("$PORT") || word.contains("${PORT}"));
    let Some(why) = own_port(&words).filter(|_| !is_told) else { return };
    node.report(Flaw::new(
        Code::NoEffect,
        "the command does not pass `$PORT` on",
        why,
        "put `$PORT` in place of the port, as in `--port $PORT`: each instance gets another; \
         a program that reads PORT itself needs nothing",
    ));
}

/// What speaks for a port of its own.
fn own_port(words: &[String]) -> Option<String> {
    let before = std::iter::once("").chain(words.iter().map(String::as_str));
    for (before, word) in before.zip(words) {
        let (name, value) = word.split_once('=').unwrap_or((before, word));
        if is_of_port(name) && is_port(value) {
            return Some(format!("it listens on port {value}, perhaps"));
        }
        if is_of_address(name)
            && let Some((_, port)) = value.rsplit_once(':').filter(|(_, port)| is_port(port))
        {
            return Some(format!("it listens on port {port}, perhaps"));
        }
    }
    let deaf = words.iter().find(|word| DEAF.contains(&word.rsplit('/').next().unwrap_or(word)))?;
    Some(format!("{} is told its port by an argument", deaf.rsplit('/').next().unwrap_or(deaf)))
}

/// Whether an option takes a port to listen on, as `--port`, `-p`, `-Dserver.port`; not one of somebody else's, as
/// `--db-port`.
fn is_of_port(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let last =
        name.trim_start_matches('-').rsplit(['.', '/']).next().unwrap_or_default().to_owned();
    let is_option = name.starts_with('-');
    is_option && matches!(&*last, "port" | "p" | "http-port" | "listen-port" | "server-port")
}

/// Whether an option takes an address to listen on.
fn is_of_address(name: &str) -> bool {
    let word = name.to_ascii_lowercase();
    let word = word.trim_start_matches('-');
    name.starts_with('-')
        && matches!(word, "bind" | "b" | "listen" | "l" | "addr" | "address" | "http")
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_own(line: &str) -> bool {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        own_port(&words).is_some()
    }

    #[test]
    fn a_port_that_the_command_names_is_found() {
        for line in [
            "./server --port 3999",
            "./server --port=3999",
            "java -Dserver.port=8080 -jar a.jar",
            "java -jar a.jar --server.port=8080",
            "gunicorn -b 0.0.0.0:8000 app:app",
            "./server -listen :8080",
            "python3 -m http.server 3999",
            "/usr/bin/uvicorn app:app",
        ] {
            assert!(has_own(line), "{line}");
        }
    }

    #[test]
    fn what_is_no_port_to_listen_on_is_left_alone() {
        for line in [
            "node server.js",
            "./server --db-port 5432",
            "./server --database postgres://localhost:5432/shop",
            "./server -p plugins --workers 8",
            "./server --timeout=30 --redis localhost:6379",
        ] {
            assert!(!has_own(line), "{line}");
        }
    }
}
