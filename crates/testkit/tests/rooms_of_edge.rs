//! The rooms inside `edge`, held against an order in which each knows only those before it. What still goes
//! the other way is named here with its reason; what is new and goes the other way fails.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up.
const ORDER: &[&str] = &[
    "atomic",
    "fields",
    "client",
    "wheel",
    "routing",
    "policy",
    "snapshot",
    "choice",
    "grpc",
    "response",
    "worker",
    "exchange",
    "listener",
    "upstream",
    "connection",
    "own",
];

/// Files that know a room above their own, and why that is so today.
const UPWARD: &[(&str, &str, &str)] = &[
    // A worker's instance (`WorkerInstance`) holds its kept connections, so it stands with them in `upstream`; who
    // serves, chooses or counts has one in hand.
    ("choice/mod.rs", "upstream", "a claim is of a worker's instance"),
    ("choice/select.rs", "upstream", "a worker's instance is a candidate"),
    ("snapshot/mod.rs", "upstream", "a worker's service has its instances"),
    (
        "exchange/long_lived.rs",
        "upstream",
        "an exchange that lasts is told to leave by its instance",
    ),
    (
        "exchange/record.rs",
        "upstream",
        "the record is of the instance and of how its attempt ended",
    ),
    ("worker/mod.rs", "upstream", "a worker keeps its instances over reloads"),
    // A worker is handed on as the context of all that runs on it, and holds what lives as long as itself.
    ("choice/mod.rs", "worker", "a claim is counted by its worker, and told to it at its end"),
    ("worker/mod.rs", "connection", "a worker keeps the connections that are parked or idle"),
    ("worker/mod.rs", "exchange", "a worker counts what is open and names requests"),
    ("worker/mod.rs", "listener", "a worker starts and ends the acceptors"),
    ("listener/accept.rs", "connection", "an acceptor starts what serves the connection"),
    ("exchange/mod.rs", "upstream", "an exchange is forwarded"),
    // The request as it goes to an instance says how it came: a cookie and a mapping depend on it.
    ("choice/sticky.rs", "upstream", "a cookie is secure as its request was"),
    (
        "policy/mapping.rs",
        "upstream",
        "what a response names is mapped back as its request was rewritten",
    ),
    ("response/mod.rs", "upstream", "the same, for all of the response's head"),
    // Live counts stand in the snapshot, and are of the machines that count.
    ("snapshot/live.rs", "choice", "an instance has its claims and a service its queue"),
    ("snapshot/mod.rs", "choice", "a service has its split"),
    ("snapshot/serving_config.rs", "choice", "a service has its split"),
    ("snapshot/mod.rs", "listener", "a listener has its guests counted"),
    ("choice/explain.rs", "exchange", "it is asked of a peer, as a request is"),
];

/// Each file of edge that is in a room, with what it imports by `use crate::…`.
fn imports() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../edge/src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).expect("a source can be read");
        let name = path.strip_prefix(&root).expect("it is below").display().to_string();
        for line in text.lines() {
            let line = line.trim_start();
            let line =
                line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
            let Some(rest) = line.strip_prefix("use crate::") else { continue };
            assert!(!rest.starts_with('{'), "{name}: name the room in the line, not in braces");
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            found.push((name.clone(), rest[..end.unwrap_or(rest.len())].to_owned()));
        }
    }
    assert!(found.len() > 100, "the sources of edge are not where they were");
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    paths.flat_map(below).filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}

/// The room that a file is in.
fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn floor(room: &str) -> usize {
    let floor = ORDER.iter().position(|it| *it == room);
    floor.unwrap_or_else(|| panic!("`{room}` is new in edge: give it a place in the order"))
}

#[test]
fn rooms_of_edge_know_those_before_them_but_for_what_is_named() {
    let mut upward = BTreeSet::new();
    for (file, room) in imports() {
        // What edge shows to others, and its handle, stand in `lib.rs` above all rooms.
        if file == "lib.rs" || room.is_empty() || room == room_of(&file) {
            continue;
        }
        if floor(&room) > floor(room_of(&file)) {
            upward.insert((file, room));
        }
    }
    let named: BTreeSet<_> =
        UPWARD.iter().map(|(file, room, _)| ((*file).to_owned(), (*room).to_owned())).collect();
    let new: Vec<_> = upward.difference(&named).collect();
    assert!(
        new.is_empty(),
        "this makes a circle between rooms: cut it, or name it with its reason: {new:?}"
    );
    let gone: Vec<_> = named.difference(&upward).collect();
    assert!(gone.is_empty(), "these are cut: take them off the list: {gone:?}");
}
