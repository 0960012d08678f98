//! The rooms inside `edge`, held against an order in which each knows only those before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up.
const ORDER: &[&str] = &[
    "atomic",
    "fields",
    "client",
    "wheel",
    "date",
    "descriptors",
    "sticky_key",
    "hops",
    "peer",
    "routing",
    "policy",
    "grpc",
    "live",
    "instance",
    "snapshot",
    "worker",
    "choice",
    "response",
    "exchange",
    "upstream",
    "serve",
    "connection",
    "listener",
    "own",
    "run",
];

/// Each file of edge that is in a room, with the rooms that it names: in an import or in the middle of a line, but
/// not in what it tells readers.
fn known() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../edge/src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).expect("a source can be read");
        let name = path.strip_prefix(&root).expect("it is below").display().to_string();
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or(line);
            for rest in code.split("crate::").skip(1) {
                assert!(!rest.starts_with('{'), "{name}: name the room in the line, not in braces");
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                found.push((name.clone(), rest[..end.unwrap_or(rest.len())].to_owned()));
            }
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
fn rooms_of_edge_know_those_before_them_and_no_other() {
    let mut upward = BTreeSet::new();
    for (file, room) in known() {
        // What edge shows to others, and its handle, stand in `lib.rs` above all rooms.
        if file == "lib.rs" || room.is_empty() || room == room_of(&file) {
            continue;
        }
        if floor(&room) > floor(room_of(&file)) {
            upward.insert((file, room));
        }
    }
    assert!(upward.is_empty(), "this makes a circle between rooms: cut it: {upward:?}");
}
