//! The README, word for word: its files and its commands, but for the port.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::origin::Origin;
use crate::sandbox::Sandbox;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

/// The README's files.
fn files(readme: &str) -> Vec<String> {
    let blocks = readme.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// The lines of code that begin so.
fn lines(readme: &str, begin: &str) -> Vec<String> {
    let code = readme.lines().filter_map(|line| line.strip_prefix("    "));
    code.filter(|line| line.starts_with(begin)).map(str::to_owned).collect()
}

/// A directory with this file, on a free port.
fn sandbox(file: &str) -> Sandbox {
    let sandbox = Sandbox::new("");
    let file = file.replace("127.0.0.1:8080", "127.0.0.1:0");
    fs::write(sandbox.path().join("plimsoll.toml"), file).unwrap();
    sandbox
}

fn shell(sandbox: &Sandbox, line: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(sandbox.path()).stdin(Stdio::null());
    assert!(command.status().unwrap().success(), "{line}");
}

#[test]
fn its_releases_are_deployed_and_rolled_back() {
    let readme = readme();
    let sandbox = sandbox(&files(&readme)[1].replace("5s", "1s"));
    lines(&readme, "mkdir -p releases").iter().for_each(|line| shell(&sandbox, line));
    let running = sandbox.run();
    let is_over = || {
        let status = sandbox.plimsoll(&["status", "--json"]).stdout;
        let status: Value = serde_json::from_str(&status).unwrap();
        let run = &status["services"][0]["run"];
        run["release"] == "1" && run["deploy"].is_null()
    };
    testkit::eventually("the first release serves", is_over);
    assert!(running.get("/").ends_with("\n1\n"));
    for (line, release) in [("deploy api 2", "2"), ("rollback api", "1")] {
        let named = format!("cargo run --release -- {line}");
        assert_eq!(lines(&readme, &named).len(), 1, "{line}");
        let words: Vec<&str> = line.split(' ').collect();
        let ended = sandbox.plimsoll(&words);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(running.get("/").ends_with(&format!("\n{release}\n")), "{line}");
    }
    assert_eq!(lines(&readme, "cargo run --release -- deploy api 3").len(), 1);
    let missing = sandbox.plimsoll(&["deploy", "api", "3"]);
    assert_eq!(missing.code, Some(1), "{missing:#?}");
    assert!(missing.stdout.contains("release 3 was rolled back to 1"), "{missing:#?}");
    assert!(running.get("/").ends_with("\n1\n"));
    let history = sandbox.plimsoll(&["history", "api"]).stdout;
    assert_eq!(history.matches("promoted").count(), 3, "{history}");
}

#[test]
fn its_two_servers_take_turns() {
    let readme = readme();
    let servers = ["one", "two"].map(Origin::saying);
    let mut file = files(&readme)[0].clone();
    for (port, server) in ["9001", "9002"].iter().zip(&servers) {
        let line = lines(&readme, &format!("python3 -m http.server {port}"));
        assert_eq!(line.len(), 1, "the README starts a server on {port}");
        file = file.replace(&format!("127.0.0.1:{port}"), &server.address.to_string());
    }
    let sandbox = sandbox(&file);
    let running = sandbox.run();
    let said: Vec<bool> = (0..40).map(|_| running.get("/").ends_with("one")).collect();
    assert!(said.windows(2).all(|pair| pair[0] != pair[1]), "they do not alternate: {said:?}");
}
