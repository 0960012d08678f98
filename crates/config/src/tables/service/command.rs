//! `command` of a service, or of a health check: what is run.

use model::Command;

use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::{Absent, Empty, Format, Key, Shape, TEXT, Table};

const COMMAND: Format = Format { noun: "a program with its arguments", pattern: Some(r"\S") };

pub(crate) static COMMANDS: [Shape; 3] = [
    Shape::Text(&COMMAND),
    Shape::List { of: &Shape::Text(&TEXT), empty: Empty::Refused },
    Shape::Table(&SHELL),
];

pub(crate) const KEY: Key = Key::new(
    "command",
    Shape::Either(&COMMANDS),
    Absent::Means("Plimsoll does not run the instances; they are at `targets`"),
    "\"./server --port $PORT\"",
    "The command of an instance. With `image` it runs in the containers: it is given to the image's entrypoint in place of what \
     the image says, as by `docker run`. A text is split as a shell splits it, but no shell runs; a list \
     is used as it is. `{version}`, `$PORT`, `$VERSION`, `$INSTANCE` and `$SERVICE` are \
     substituted.",
)
.verbatim()
.aka(&["cmd", "exec", "run", "start", "entrypoint", "program"]);

pub(crate) static SHELL: Table = Table {
    header: "[services.NAME.command]",
    noun: "a command for a shell",
    doc: "A script that `/bin/sh` runs, for what needs one: pipes, several commands. End it with `exec`, so \
          that no shell remains between Plimsoll and the program.",
    keys: &[Key::new(
        "shell",
        Shape::Text(&COMMAND),
        Absent::Fault,
        "\"./migrate && exec ./server --port $PORT\"",
        "The script. `{version}` is substituted; the shell has the variables.",
    )
    .aka(&["script", "sh"])],
    later: &[],
};

/// Reads what is run.
pub(crate) fn read(node: &Node<'_>) -> Option<Command> {
    if node.is_table() {
        let section = node.section()?;
        return Some(Command::Shell(section.require("shell")?.parse(written)?));
    }
    if node.is_list() {
        let words: Option<Vec<String>> =
            node.items().map(|item| item.text().map(str::to_owned)).collect();
        return words.map(Command::Arguments);
    }
    node.parse(written).map(Command::Line)
}

fn written(text: &str) -> Result<String, Flaw> {
    match text.trim().is_empty() {
        false => Ok(text.to_owned()),
        true => Err(Flaw::invalid(
            "the command is empty",
            "there is nothing to run",
            "write a program with its arguments",
        )),
    }
}
