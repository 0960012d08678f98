//! `[log]`: what is written, and where.

use std::path::Path;

use model::{AccessLog, Log, LogFormat, LogLevel};

use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::{Node, unsupported};
use crate::read::file;
use crate::schema::{Absent, Format, Key, Later, Shape, Table};
use crate::section::Section;
use crate::value::shown;

pub(crate) const KEY: Key = Key::new(
    "log",
    Shape::Table(&LOG),
    Absent::Inner,
    "{ level = \"info\" }",
    "What is written, and where.",
)
.aka(&["logging", "access_log", "error_log"]);

pub(crate) static LOG: Table = Table {
    header: "[log]",
    noun: "the log",
    doc: "What is written, and where.",
    keys: &[
        Key::new(
            "level",
            Shape::Word(&["error", "warn", "info", "debug", "trace"], &[]),
            Absent::Text("info"),
            "\"info\"",
            "The least severe level that is written.",
        ),
        Key::new(
            "format",
            Shape::Word(&["text", "json"], &[]),
            Absent::Text("text"),
            "\"text\"",
            "How lines are written: for people, or as one JSON object each.",
        ),
        Key::new(
            "access",
            Shape::Text(&Format {
                noun: "\"stdout\", \"off\" or the path of a file",
                pattern: None,
            }),
            Absent::Text("stdout"),
            "\"access.log\"",
            "Where the access log goes. A file is appended to, and opened again on a reload; \
             directories that are missing are made, with mode 0750.",
        )
        .aka(&["access_log", "file", "output"]),
    ],
    later: &[],
};

/// Sinks of the access log that are named by a word or the scheme of a URL.
pub(crate) static ACCESS_LATER: &[Later] = &[
    Later { name: "kafka", what: "the access log on a Kafka topic" },
    Later { name: "syslog", what: "the access log on syslog" },
    Later { name: "otlp", what: "the access log by OpenTelemetry" },
];

/// Reads `[log]`.
pub(crate) fn read(log: &Section<'_>, origin: &Origin) -> Log {
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
