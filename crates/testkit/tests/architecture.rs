//! What ARCHITECTURE.md says of the rooms, held against what cargo knows of them. Licences, sources and
//! duplicates of what others wrote are `deny.toml`'s.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Which crate may know which. Tests may know `testkit` besides.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("suggest", &[]),
    ("balance", &["model"]),
    ("rollout", &["model"]),
    ("driver", &["model", "suggest"]),
    ("config", &["model", "suggest"]),
    ("wire", &[]),
    ("telemetry", &["model"]),
    ("load", &[]),
    ("policy", &["model"]),
    ("edge", &["model", "balance", "policy", "wire", "telemetry"]),
    (
        "control",
        &[
            "model",
            "suggest",
            "balance",
            "config",
            "wire",
            "telemetry",
            "edge",
            "rollout",
            "driver",
        ],
    ),
    ("admin", &["model", "balance", "config", "telemetry", "edge", "control", "rollout"]),
    (
        "plimsoll",
        &["model", "balance", "config", "wire", "telemetry", "control", "admin", "load", "driver"],
    ),
    ("testkit", &["model", "wire", "telemetry", "edge"]),
];

/// Crates that are pure: time, chance and the outside come to them as arguments.
const PURE: &[&str] = &["model", "suggest", "balance", "policy", "rollout"];
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
    for member in workspace.members() {
        let name = text(&member["name"]);
        let allowed = MAY_KNOW.iter().find(|(room, _)| *room == name);
        let (_, allowed) = allowed.unwrap_or_else(|| {
            panic!("{name} is new: say in ARCHITECTURE.md and here what it may know")
        });
        for known in normal_dependencies(member).filter(|known| names.contains(known)) {
            assert!(allowed.contains(&known), "{name} must not know {known} (ARCHITECTURE.md)");
        }
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
