//! The rooms inside the larger crates, held against an order in which each knows only those before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms of `edge`, from the bottom up.
const EDGE: &[&str] = &[
    "atomic",
    "fields",
    "client",
    "wheel",
    "date",
    "descriptors",
    "sticky_key",
    "bans",
    "challenges",
    "hops",
    "peer",
    "live",
    "routing",
    "policy",
    "grpc",
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

/// The rooms of `control`, likewise.
const CONTROL: &[&str] = &[
    "chain",
    "ended",
    "finding",
    "line",
    "release",
    "scaling",
    "state_dir",
    "state_file",
    "task",
    "window",
    "times",
    "pulse",
    "lately",
    "watched",
    "sticky_key",
    "drains",
    "instances",
    "resolve",
    "feed",
    "names",
    "ordering",
    "certificates",
    "issuers",
    "settling",
    "sharing",
    "bans",
    "prepare",
    "reload",
    "belonging",
    "evidence",
    "journal",
    "probe",
    "conditions",
    "explanation",
    "access_log",
    "runs",
    "jobs",
    "status",
    "watch",
    "scrape",
    "handle",
    "writer",
];

/// The rooms of the binary, likewise.
const CLI: &[&str] = &[
    "exit",
    "regular_file",
    "whole_file",
    "options",
    "endpoint",
    "secret_file",
    "sealed",
    "quantity",
    "reach",
    "width",
    "foreign",
    "output",
    "limits",
    "logging",
    "own_process",
    "service_manager",
    "signals",
    "drivers",
    "start",
    "certificates",
    "here",
    "open",
    "table",
    "who",
    "canvas",
    "unreached",
    "failure",
    "instance_goal",
    "progress",
    "screen",
    "demo",
    "commands",
    "location",
    "arguments",
    "guide",
];

/// Each file of a crate that is in a room, with the rooms that it names: in an import or in the middle of a line, but
/// not in what it tells readers, nor in tests beside the code.
fn known(name: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
    let mut found = Vec::new();
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).expect("a source can be read");
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let name = path.strip_prefix(&root).expect("it is below").display().to_string();
        let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
        let code: String = code.collect();
        for rest in code.split("crate::").skip(1) {
            let names = match rest.strip_prefix('{') {
                Some(braces) => braces.split('}').next().unwrap_or_default(),
                None => rest,
            };
            let is_one = !rest.starts_with('{');
            for room in names.split(',').take(if is_one { 1 } else { usize::MAX }) {
                let room = room.trim();
                let end = room.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                found.push((name.clone(), room[..end.unwrap_or(room.len())].to_owned()));
            }
        }
    }
    assert!(found.len() > 100, "the sources of {name} are not where they were");
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    let is_code = |path: &PathBuf| {
        path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs")
    };
    paths.flat_map(below).filter(is_code).collect()
}

/// The room that a file is in.
fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// What in `name` knows a room that is not before its own in `order`.
fn upward(name: &str, order: &[&str]) -> BTreeSet<(String, String)> {
    let floor = |room: &str| {
        let floor = order.iter().position(|it| *it == room);
        floor.unwrap_or_else(|| panic!("`{room}` is new in {name}: give it a place in the order"))
    };
    let is_upward = |(file, room): &(String, String)| {
        // What a crate shows to others stands above all its rooms; a constant of that is no room.
        let is_top = matches!(file.as_str(), "lib.rs" | "main.rs");
        let is_room = !room.is_empty() && room != room_of(file);
        !is_top && is_room && floor(room) > floor(room_of(file))
    };
    known(name).into_iter().filter(is_upward).collect()
}

#[test]
fn rooms_know_those_before_them_and_no_other() {
    for (name, order) in [("edge", EDGE), ("control", CONTROL), ("cli", CLI)] {
        let upward = upward(name, order);
        assert!(upward.is_empty(), "a circle between rooms of {name}: cut it: {upward:?}");
    }
}
