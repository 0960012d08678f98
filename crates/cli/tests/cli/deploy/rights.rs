//! As whom instances run, what they inherit, and whose a state directory is.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::Value;

use super::{PROGRAM, begin, is_begun, run, sandbox};
use crate::sandbox::Sandbox;

/// A service whose instances note what they are before they serve, with `more` of it.
fn noting(what: &str, more: &str) -> Sandbox {
    let command = format!("{what} > noted; exec {PROGRAM} sample");
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\ncommand = {{ shell = {command:?} }}\nversion = \"1\"\n\
         health = {{ path = \"/health\", interval = \"200ms\" }}\n{more}"
    ))
}

fn noted(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path().join("noted")).unwrap()
}

#[test]
fn an_instance_inherits_what_is_named_and_no_other_s_secret() {
    let sandbox = noting("env", "secrets = [\"OURS\"]\ninherit = [\"PATH\", \"T*\"]\n");
    let more = "[services.pay]\ncommand = \"sleep 1000\"\nsecrets = [\"THEIRS\"]\n";
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap() + more;
    std::fs::write(&file, &text).unwrap();
    let program =
        format!("HOME=$PWD OURS=1 THEIRS=2 TOLD=3 UNSAID=4 PLIMSOLL_TOKEN=5 exec {PROGRAM} run");
    let mut running = sandbox.run_by_shell(&program);
    is_begun(&sandbox);
    let names = |text: String| -> Vec<String> {
        let names = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        let told = |name: &&str| {
            ["OURS", "THEIRS", "TOLD", "UNSAID", "PLIMSOLL_TOKEN", "HOME"].contains(name)
        };
        let mut names: Vec<_> = names.filter(told).map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(names(noted(&sandbox)), ["OURS", "TOLD"]);
    running.signal(Signal::TERM);
    running.wait();
}

#[test]
fn an_instance_has_the_limits_of_whoever_started_plimsoll_and_not_plimsoll_s_own() {
    let sandbox = noting("(umask; ulimit -Sn)", "");
    let script = format!("umask 027; ulimit -Sn 300; exec {PROGRAM} run");
    let mut running = sandbox.run_by_shell(&format!("HOME=$PWD; {script}"));
    is_begun(&sandbox);
    assert_eq!(noted(&sandbox), "0027\n300\n");
    running.signal(Signal::TERM);
    running.wait();
}

#[test]
fn an_instance_runs_as_its_user_and_is_shut_out_of_what_plimsoll_keeps() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can.
        return;
    }
    let what = "(id -u; id -g; echo $HOME; cat state/journal.db >/dev/null 2>&1 && echo read)";
    let sandbox = noting(what, "user = \"4242:4243\"\n");
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut running = begin(&sandbox);
    assert_eq!(noted(&sandbox), "4242\n4243\n/\n");
    assert!(running.get("/").contains("hello from api-"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), [0; 0]);
}

#[test]
fn a_user_that_is_not_there_keeps_a_deploy_from_beginning() {
    let sandbox = sandbox("");
    let _running = begin(&sandbox);
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap() + "user = \"no-such-user\"\n";
    std::fs::write(&file, text).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    let ended = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert!(ended.stderr.contains("this machine has no user `no-such-user`"), "{}", ended.stderr);
    assert_eq!(run(&sandbox)["run"]["release"], "1");
}

#[test]
fn another_file_does_not_run_the_releases_of_the_first() {
    let first = sandbox("");
    let mut running = begin(&first);
    running.signal(Signal::TERM);
    running.wait();
    let state = first.path().join("state").display().to_string();
    let second = sandbox("");
    let file = second.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"state\"", &format!("{state:?}"))).unwrap();
    let ended = second.plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3));
    let owner = first.path().join("plimsoll.toml").display().to_string();
    assert!(ended.stderr.contains(&format!("belongs to {owner}")), "{}", ended.stderr);
    assert!(ended.stderr.contains("--adopt"), "{}", ended.stderr);
    let mut running = second.run_with(&["--adopt"]);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(first.plimsoll(&["run"]).code, Some(3), "it belongs to the second now");
}

#[test]
fn the_journal_keeps_a_secret_to_itself() {
    let sandbox = sandbox("env = { KEY = \"supersecret\" }\n");
    let running = begin(&sandbox);
    let status: Value =
        serde_json::from_str(&sandbox.plimsoll(&["status", "--json"]).stdout).unwrap();
    assert!(!status.to_string().contains("supersecret"));
    for entry in std::fs::read_dir(sandbox.path().join("state")).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let expected = if entry.path().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{:?}", entry.file_name());
    }
    drop(running);
}
