//! What ARCHITECTURE.md says of the rooms, held against what cargo knows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Which crate may know which. Tests may know `testkit` besides.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("balance", &["model"]),
    ("rollout", &["model"]),
    ("driver", &["model"]),
    ("config", &["model"]),
    ("wire", &[]),
    ("telemetry", &["model"]),
    ("load", &[]),
    ("edge", &["model", "balance", "wire", "telemetry"]),
    ("control", &["model", "balance", "config", "wire", "telemetry", "edge", "rollout", "driver"]),
    ("admin", &["model", "balance", "config", "edge", "control", "rollout"]),
    (
        "plimsoll",
        &["model", "balance", "config", "wire", "telemetry", "control", "admin", "load", "driver"],
    ),
    ("testkit", &["model", "wire", "edge"]),
];

/// Crates that are pure: time, chance and the outside come to them as arguments.
const PURE: &[&str] = &["model", "balance", "rollout"];
const OUTSIDE: &[&str] =
    &["tokio", "mio", "socket2", "rustix", "hyper", "h2", "rustls", "fastrand", "rand", "jiff"];

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "MIT-0",
    "ISC",
    "BSD-3-Clause",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
];

/// Crates that the program has in two versions, and why.
const TWICE: &[(&str, &str)] = &[
    ("getrandom", "the older one is ring's, below rustls-webpki"),
    ("untrusted", "one is aws-lc-rs's, the other rustls-webpki's"),
    ("syn", "derive macros move at their own pace; nothing of it is in the program"),
    ("synstructure", "the same"),
];

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

    /// All packages that are in the program, by their ids.
    fn of_the_program(&self) -> BTreeSet<&str> {
        let nodes = list(&self.0["resolve"]["nodes"]).map(|node| (text(&node["id"]), node));
        let nodes: BTreeMap<&str, &Value> = nodes.collect();
        let program = self.members().find(|package| text(&package["name"]) == "plimsoll");
        let mut waiting = vec![text(&program.expect("it is a member")["id"])];
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                let normal = list(&nodes[id]["deps"]).filter(|dependency| is_normal(dependency));
                waiting.extend(normal.map(|dependency| text(&dependency["pkg"])));
            }
        }
        seen
    }
}

/// Whether it is no development or build dependency, and there on Linux.
fn is_normal(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| {
        let target = kind["target"].as_str().unwrap_or_default();
        kind["kind"].is_null() && !target.contains("windows") && !target.contains("wasm")
    })
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

#[test]
fn the_program_has_no_crate_twice_without_a_reason() {
    let workspace = Workspace::read();
    let program = workspace.of_the_program();
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in workspace.packages().filter(|package| program.contains(text(&package["id"]))) {
        versions.entry(text(&package["name"])).or_default().insert(text(&package["version"]));
    }
    for (name, versions) in &versions {
        let is_known = TWICE.iter().any(|(known, _)| known == name);
        let times = versions.len();
        assert!(times == 1 || is_known, "{name} is there as {versions:?}: take one, or say why");
        assert!(times > 1 || !is_known, "{name} is there once now: take it off the list");
    }
}

#[test]
fn every_licence_goes_with_ours() {
    for package in Workspace::read().packages() {
        let name = text(&package["name"]);
        let licence = package["license"].as_str();
        let licence = licence.unwrap_or_else(|| panic!("{name} states no licence"));
        assert!(Expression::holds(licence), "{name}: {licence} does not go with Apache-2.0");
    }
}

/// A licence expression (SPDX), and where it has been read to.
struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Expression<'a> {
    /// Whether it can be fulfilled with the licences of the list.
    fn holds(text: &str) -> bool {
        // Older manifests write a slash for OR.
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words = spaced.split_whitespace().collect();
        Expression { words, at: 0 }.any()
    }

    fn any(&mut self) -> bool {
        let mut holds = self.all();
        while self.takes("OR") {
            holds |= self.all();
        }
        holds
    }

    fn all(&mut self) -> bool {
        let mut holds = self.one();
        while self.takes("AND") {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        if self.takes("(") {
            let holds = self.any();
            assert!(self.takes(")"), "a licence's brackets do not match: {:?}", self.words);
            return holds;
        }
        let licence = self.words[self.at];
        self.at += 1;
        // An exception only allows more.
        if self.takes("WITH") {
            self.at += 1;
        }
        LICENCES.contains(&licence)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_there = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_there);
        is_there
    }
}

#[test]
fn licence_expressions_are_read_right() {
    for (expression, holds) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT/GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("ISC AND (GPL-3.0-only OR MIT)", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
    ] {
        assert_eq!(Expression::holds(expression), holds, "{expression}");
    }
}
