//! `[server]`: the program as a whole.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use model::Server;

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::read::{file, narrow};
use crate::schema::{Absent, DAY, Format, Key, Shape, Table};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "server",
    Shape::Table(&SERVER),
    Absent::Inner,
    "{ drain = \"30s\" }",
    "The program as a whole.",
)
.aka(&["global", "main", "plimsoll"]);

pub(crate) static SERVER: Table = Table {
    header: "[server]",
    noun: "the server",
    doc: "The program as a whole. `state_dir`, `workers` and `memory` take effect at the next \
          start, not on a reload.",
    keys: &[
        Key::new(
            "state_dir",
            Shape::Text(&Format { noun: "the path of a directory", pattern: None }),
            Absent::Means(
                "`/var/lib/plimsoll` for root, else `$XDG_STATE_HOME/plimsoll` or \
                 `~/.local/state/plimsoll`",
            ),
            "\"/var/lib/plimsoll\"",
            "Where the admin socket, the journal and the logs are kept.",
        )
        .aka(&["data_dir", "dir", "run_dir"]),
        Key::new(
            "workers",
            Shape::Count(1..=1024),
            Absent::Means("one for each core"),
            "2",
            "Threads that serve requests.",
        )
        .aka(&["threads", "worker_processes", "nbthread"]),
        Key::new(
            "memory",
            Shape::Size(16 << 20..=1 << 40),
            Absent::Text("512MiB"),
            "\"512MiB\"",
            "What all threads together may hold for clients: heads, buffers, bodies that are sent \
             ahead, responses that wait to be read. One client may have a quarter of it. Requests \
             beyond it are refused: 503 over \
             HTTP/1, REFUSED_STREAM over HTTP/2.",
        )
        .aka(&["memory_max", "max_memory", "buffer_memory"]),
        Key::new(
            "drain",
            Shape::Duration(Duration::ZERO..=DAY),
            Absent::Text("30s"),
            "\"30s\"",
            "How long Plimsoll waits for open exchanges when it stops, before it cuts them off; \
             `\"0s\"` cuts them at once.",
        )
        .aka(&["grace", "shutdown_timeout", "stop_timeout"]),
    ],
    later: &[],
};

/// Reads `[server]`.
pub(crate) fn read(root: &Section<'_>, origin: &Origin) -> Option<Server> {
    root.section(KEY.name, |server| {
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
