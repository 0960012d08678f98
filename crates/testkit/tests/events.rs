//! Each kind of event that the reference has is told somewhere, and nothing in `control` writes its own log past them.

use std::path::{Path, PathBuf};

use telemetry::event::Kind;

/// Where events are told.
const ROOMS: [&str; 5] = ["control", "edge", "telemetry", "admin", "cli"];

/// Lines of `control` that are no events, and why.
const NO_EVENTS: &[(&str, &str)] = &[
    ("no instance yet", "what there is before a first release is told by its deploy"),
    ("first instance", "the same"),
    ("no list of drained instances yet", "so it is at each first start"),
    ("instances have changed", "so it is many times in each deploy"),
    ("state directory closed to other users", "also where no Plimsoll runs"),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    let below = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    let paths = entries.map(|entry| entry.expect("an entry").path()).flat_map(below);
    paths.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}

/// All that is in the sources of a room, but for its tests.
fn text_of(room: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room).join("src");
    let is_test = |path: &PathBuf| path.file_name().is_some_and(|name| name == "tests.rs");
    let files = sources(&folder).into_iter().filter(|path| !is_test(path));
    let texts = files.map(|path| std::fs::read_to_string(path).expect("a source can be read"));
    let texts = texts.map(|text| text.split("#[cfg(test)]\nmod tests {").next().map(str::to_owned));
    texts.flatten().collect()
}

#[test]
fn each_kind_of_event_is_told_somewhere() {
    let all: String = ROOMS.iter().map(|room| text_of(room)).collect();
    let is_silent = |kind: &&Kind| !all.contains(&format!("event::{} {{", kind.struct_name()));
    let silent: Vec<_> = Kind::ALL.iter().filter(is_silent).collect();
    assert!(silent.is_empty(), "nothing tells of these: {silent:?}");
}

#[test]
fn what_happens_in_control_is_an_event() {
    let text = text_of("control");
    let lines = text.split("tracing::").skip(1).filter(|line| !line.starts_with("field"));
    let mut known = 0;
    for line in lines {
        let line = line.split(';').next().unwrap_or(line);
        let is_known = NO_EVENTS.iter().any(|(message, _)| line.contains(message));
        assert!(is_known, "make it an event (telemetry::event): tracing::{line}");
        known += 1;
    }
    assert_eq!(known, NO_EVENTS.len(), "a line that is gone: take it off the list");
}
