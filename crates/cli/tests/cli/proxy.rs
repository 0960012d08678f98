//! `plimsoll proxy`.

use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;

use crate::origin::Origin;
use crate::sandbox::Sandbox;

/// A directory without a configuration, in which proxies are looked for nowhere else.
fn empty() -> Sandbox {
    let sandbox = Sandbox::new("");
    std::fs::remove_file(sandbox.path().join("plimsoll.toml")).unwrap();
    sandbox
}

fn command(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.command(words);
    command.env("XDG_RUNTIME_DIR", sandbox.path()).env("TMPDIR", sandbox.path());
    command
}

fn told(sandbox: &Sandbox, words: &[&str]) -> String {
    let output = command(sandbox, words).output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn left(sandbox: &Sandbox) -> usize {
    std::fs::read_dir(sandbox.path()).unwrap().count()
}

#[test]
fn two_servers_take_turns_without_a_file_other_commands_find_it_and_nothing_is_left() {
    let sandbox = empty();
    let servers = ["one", "two"].map(Origin::saying);
    let [one, two] = servers.each_ref().map(|server| server.address.to_string());
    let words = ["proxy", &one, &two, "--listen", "127.0.0.1:0", "--balance", "round_robin"];
    let mut running = sandbox.start(command(&sandbox, &words));
    let said: Vec<bool> = (0..8).map(|_| running.get("/").ends_with("one")).collect();
    assert!(said.windows(2).all(|pair| pair[0] != pair[1]), "they do not alternate: {said:?}");
    testkit::eventually("both are checked", || {
        let status = told(&sandbox, &["status"]);
        status.contains(&one) && status.matches(" healthy ").count() == 2
    });
    let explained = told(&sandbox, &["explain", "GET", "/"]);
    assert!(explained.contains("as it is served now"), "{explained}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(left(&sandbox), 0);
    let status = told(&sandbox, &["status"]);
    assert!(status.contains("no plimsoll.toml here"), "{status}");
}

#[test]
fn a_server_that_is_down_and_a_port_in_use_are_told_with_their_cures() {
    let sandbox = empty();
    let up = Origin::saying("up");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let server = up.address.to_string();
    let mut running =
        sandbox.start(command(&sandbox, &["proxy", &server, &down, "-l", "127.0.0.1:0"]));
    let line = running.wait_for("! ");
    assert_eq!(line.split(": ").next(), Some(format!("! {down}").as_str()), "{line}");
    assert!(line.contains("start it"), "{line}");
    assert!((0..6).all(|_| running.get("/").ends_with("up")), "requests go to the other");
    drop(running);

    let taken = taken.local_addr().unwrap().to_string();
    let output = command(&sandbox, &["proxy", &server, "-l", &taken]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains(&taken) && errors.contains("take another port"), "{errors}");
}

#[test]
fn what_it_prints_is_a_file_that_passes_the_check() {
    let sandbox = empty();
    let printed = told(&sandbox, &["proxy", ":9001", ":9002", "--health", "/up", "--print"]);
    std::fs::write(sandbox.path().join("plimsoll.toml"), &printed).unwrap();
    let ended = sandbox.plimsoll(&["check"]);
    assert_eq!(ended.code, Some(0), "{printed}\n{}", ended.stdout);
}

#[test]
fn what_makes_no_sense_is_wrong_use_and_speaks_of_no_file() {
    let sandbox = empty();
    for (words, part) in [
        (&["a:1", "--balance", "fastest"][..], "`balance` has no value \"fastest\""),
        (&["a"], "the port is missing"),
        (&["127.0.0.1:9", "-l", "127.0.0.1:9"], "127.0.0.1:9 is Plimsoll's own address"),
    ] {
        let output = command(&sandbox, &[&["proxy"], words].concat()).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(part) && !errors.contains(" --> "), "{errors}");
    }
    assert_eq!(left(&sandbox), 0);
}

#[test]
fn what_is_temporary_and_has_no_place_is_told_with_its_cure() {
    let sandbox = empty();
    let nowhere = sandbox.path().join("nowhere");
    for words in [&["proxy", ":9"][..], &["demo"]] {
        let mut command = sandbox.command(words);
        let output =
            command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", &nowhere).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{errors}");
        assert!(errors.contains(nowhere.to_str().unwrap()), "{errors}");
        assert!(errors.contains("TMPDIR") && errors.contains("--tmpfs /tmp"), "{errors}");
    }
}
