//! What ARCHITECTURE.md says of the rooms, held against what cargo knows of them. Licences, sources and
//! duplicates of what others wrote are `deny.toml`'s.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A row of ARCHITECTURE.md's tables of rooms.
struct Room {
    name: String,
    may_know: Vec<String>,
    /// Of a room to come: the rooms that may know it.
    known_by: Vec<String>,
}

/// Every room that ARCHITECTURE.md has, those to come included.
fn rooms() -> Vec<Room> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).expect("the page can be read");
    let section = page.split("## Rooms").nth(1).expect("the page has rooms");
    // What follows are the rooms inside of single crates.
    let section = section.split("\nThe rooms of `").next().unwrap_or(section);
    let names = |cell: Option<&&str>| -> Vec<String> {
        let cell = cell.copied().unwrap_or_default().trim();
        cell.split(", ").filter(|name| !matches!(*name, "" | "-")).map(package).collect()
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').collect();
        let name = package(cells[0].trim().trim_end_matches('`'));
        Some(Room { name, may_know: names(cells.get(2)), known_by: names(cells.get(3)) })
    };
    section.lines().filter_map(row).collect()
}

/// A room's name as cargo has it: the binary's is the program's.
fn package(room: &str) -> String {
    if room == "cli" { "plimsoll".to_owned() } else { room.to_owned() }
}

/// Whether the room `one` may know the room `other`.
fn may_know(rooms: &[Room], one: &str, other: &str) -> bool {
    let is = |names: &[String], name: &str| names.iter().any(|it| it == name);
    rooms.iter().any(|room| {
        (room.name == one && is(&room.may_know, other))
            || (room.name == other && is(&room.known_by, one))
    })
}

/// Crates that are pure: time, chance and the outside come to them as arguments.
const PURE: &[&str] = &["model", "suggest", "balance", "policy", "rollout", "certificates"];
const OUTSIDE: &[&str] =
    &["tokio", "mio", "socket2", "rustix", "hyper", "h2", "rustls", "fastrand", "rand", "jiff"];

struct Workspace(Value);

impl Workspace {
    fn read() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["metadata", "--format-version", "1", "--locked", "--manifest-path"]);
        let output = cargo.arg(manifest).output().expect("cargo runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata: {errors}");
        Self(serde_json::from_slice(&output.stdout).expect("cargo writes JSON"))
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        list(&self.0["packages"])
    }

    fn members(&self) -> impl Iterator<Item = &Value> {
        let members: BTreeSet<&str> = list(&self.0["workspace_members"]).map(text).collect();
        self.packages().filter(move |package| members.contains(text(&package["id"])))
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn normal_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let normal = list(&package["dependencies"]).filter(|dependency| dependency["kind"].is_null());
    normal.map(|dependency| text(&dependency["name"]))
}

#[test]
fn rooms_know_only_what_they_may() {
    let workspace = Workspace::read();
    let names: BTreeSet<&str> = workspace.members().map(|member| text(&member["name"])).collect();
    let rooms = rooms();
    for member in workspace.members() {
        let name = text(&member["name"]);
        let is_known = rooms.iter().any(|room| room.name == name);
        assert!(is_known, "{name} is new: say in ARCHITECTURE.md what it may know");
        for known in normal_dependencies(member).filter(|known| names.contains(known)) {
            let may = may_know(&rooms, name, known);
            assert!(may, "{name} must not know {known} (ARCHITECTURE.md)");
        }
    }
}

#[test]
fn the_plan_of_the_rooms_names_rooms_and_has_no_circle() {
    let rooms = rooms();
    let names: BTreeSet<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(names.len(), rooms.len(), "each room has one row: {names:?}");
    assert!(names.contains("model") && names.contains("export"), "the tables are read: {names:?}");
    for room in &rooms {
        let all = room.may_know.iter().chain(&room.known_by);
        let unknown: Vec<_> = all.filter(|name| !names.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{}: no rooms of these names: {unknown:?}", room.name);
    }
    // A room that knows only placed ones is placed, until all are; what is left then is a circle.
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < names.len() {
        let is_ready = |name: &&&str| {
            let mut known = names.iter().filter(|other| may_know(&rooms, name, other));
            !placed.contains(**name) && known.all(|other| placed.contains(other))
        };
        let ready: Vec<&str> = names.iter().filter(is_ready).copied().collect();
        let left: Vec<_> = names.difference(&placed).collect();
        assert!(!ready.is_empty(), "these know each other in a circle: {left:?}");
        placed.extend(ready);
    }
}

#[test]
fn pure_rooms_know_nothing_of_the_outside() {
    for member in Workspace::read().members() {
        let name = text(&member["name"]);
        if PURE.contains(&name) {
            for known in normal_dependencies(member) {
                assert!(!OUTSIDE.contains(&known), "{name} is pure, and must not know {known}");
            }
        }
    }
}

#[test]
fn every_room_follows_the_rules_of_the_house() {
    for member in Workspace::read().members() {
        let (name, path) = (text(&member["name"]), text(&member["manifest_path"]));
        let manifest = std::fs::read_to_string(path).expect("a manifest can be read");
        for rule in
            ["[lints]\nworkspace = true", "edition.workspace = true", "license.workspace = true"]
        {
            assert!(manifest.contains(rule), "{name}: its Cargo.toml lacks `{rule}`");
        }
    }
}
