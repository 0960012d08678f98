//! Releases by their numbers, and the file beside what runs: neither differs in silence.

use serde_json::Value;

use super::{PROGRAM, receipt, run, until};
use crate::sandbox::{Ended, Sandbox};

/// A service whose instances say in their logs what they were given.
fn sandbox() -> Sandbox {
    let command = format!("echo X is $X in $(pwd); exec {PROGRAM} sample");
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\ncommand = {{ shell = {command:?} }}\nversion = \"1\"\n\
         env = {{ X = \"old\" }}\ndeploy = {{ bake = \"0s\" }}\nstop = {{ timeout = \"5s\" }}\n"
    ))
}

fn edit(sandbox: &Sandbox, from: &str, to: &str) {
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

fn runs(sandbox: &Sandbox, version: &str) -> Value {
    until(sandbox, "the release", |service| {
        service["run"]["release"] == version && service["run"]["deploy"].is_null()
    })
}

/// Does it, and tells its receipt.
fn done(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let ended: Ended = sandbox.plimsoll(&[arguments, &["--json"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    receipt(&ended)
}

/// What the only instance said of X.
fn said(sandbox: &Sandbox) -> String {
    let instance = run(sandbox)["instances"][0]["name"].as_str().unwrap().to_owned();
    let log = sandbox.plimsoll(&["logs", "api", &instance]).stdout;
    log.lines().find(|line| line.contains("X is")).unwrap_or_default().to_owned()
}

#[test]
fn each_release_is_a_number_and_can_be_had_again() {
    let sandbox = sandbox();
    let _running = sandbox.run();
    runs(&sandbox, "1");
    done(&sandbox, &["deploy", "api", "2"]);
    edit(&sandbox, "\"old\"", "\"new\"");
    let third = done(&sandbox, &["deploy", "api", "2"]);
    assert!(said(&sandbox).contains("X is new"), "the file was taken up: {}", said(&sandbox));
    let taken_up = third["lines"][0]["text"].as_str().unwrap();
    assert!(taken_up.ends_with("applied as revision 2: service api"), "{taken_up}");

    let back = done(&sandbox, &["rollback", "api"]);
    assert_eq!((&back["release"], &back["restores"]), (&"2".into(), &2.into()), "{back:#}");
    assert!(said(&sandbox).contains("X is old"), "it is the release before: {}", said(&sandbox));
    let again = done(&sandbox, &["rollback", "api", "--deploy", "3"]);
    assert_eq!((&again["release"], &again["restores"]), (&"2".into(), &3.into()), "{again:#}");
    assert!(said(&sandbox).contains("X is new"), "{}", said(&sandbox));
    let first = done(&sandbox, &["rollback", "api", "--deploy", "1"]);
    assert_eq!((&first["release"], &run(&sandbox)["run"]["made_by"]), (&"1".into(), &6.into()));
    let history = sandbox.plimsoll(&["history", "api"]).stdout;
    assert!(history.contains("a rollback to what deploy 3 made"), "{history}");

    let none = sandbox.plimsoll(&["rollback", "api", "--deploy", "99"]);
    assert_eq!(none.code, Some(3), "{none:#?}");
    assert!(none.stderr.contains("deploy 99 of `api` is not known"), "{}", none.stderr);
}

#[test]
fn a_file_with_a_mistake_begins_no_deploy_and_keeps_none_from_being_rolled_back() {
    let sandbox = sandbox();
    let _running = sandbox.run();
    runs(&sandbox, "1");
    done(&sandbox, &["deploy", "api", "2"]);
    edit(&sandbox, "env =", "enw =");
    let refused = sandbox.plimsoll(&["deploy", "api", "3"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let order =
        ["error: the deploy cannot begin", "  - plimsoll.toml:", "hint: nothing was touched"];
    let places: Vec<_> = order.iter().map(|part| refused.stderr.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", refused.stderr);
    assert_eq!(run(&sandbox)["run"]["release"], "2");
    done(&sandbox, &["rollback", "api"]);
    assert_eq!(run(&sandbox)["run"]["release"], "1");
}

#[test]
fn another_version_in_the_file_is_told_by_all_who_could_know_and_deployed_without_being_named() {
    let sandbox = sandbox();
    let _running = sandbox.run();
    runs(&sandbox, "1");
    let says = "api: the file says version 2, 1 runs: \"plimsoll deploy api 2\" replaces it";
    edit(&sandbox, "version = \"1\"", "version = \"2\"");
    for command in ["check", "reload", "status"] {
        let ended = sandbox.plimsoll(&[command]);
        assert!(ended.code == Some(0) && ended.stdout.contains(says), "{command}: {ended:#?}");
    }
    let deploy = done(&sandbox, &["deploy", "api"]);
    assert_eq!(deploy["release"], "2", "{deploy:#}");
    edit(&sandbox, "version = \"2\"", "");
    let unnamed = sandbox.plimsoll(&["deploy", "api"]);
    assert_eq!(unnamed.code, Some(3), "{unnamed:#?}");
    assert!(unnamed.stderr.contains("the file names no `version` of `api`"), "{}", unnamed.stderr);
}

#[test]
fn what_the_file_names_goes_over_a_release_that_was_deployed_since_only_where_it_is_named() {
    let sandbox = sandbox();
    let _running = sandbox.run();
    runs(&sandbox, "1");
    done(&sandbox, &["deploy", "api", "2"]);
    let says = "api: the file still says version 1, 2 runs: write version = \"2\" into the file to keep it";
    for command in ["check", "status"] {
        let ended = sandbox.plimsoll(&[command]);
        assert!(ended.code == Some(0) && ended.stdout.contains(says), "{command}: {ended:#?}");
    }
    // Those who deploy by hand are not told at each reload.
    let reload = sandbox.plimsoll(&["reload"]);
    assert!(reload.code == Some(0) && !reload.stdout.contains("version 1"), "{reload:#?}");
    let unnamed = sandbox.plimsoll(&["deploy", "api"]);
    assert_eq!(unnamed.code, Some(3), "{unnamed:#?}");
    for way in ["`plimsoll deploy api 2` to keep 2", "`plimsoll deploy api 1` to replace it"] {
        assert!(unnamed.stderr.contains(way), "{}", unnamed.stderr);
    }
    assert_eq!(run(&sandbox)["run"]["release"], "2");
    // A file that has come to say something else is meant.
    edit(&sandbox, "version = \"1\"", "version = \"3\"");
    assert_eq!(done(&sandbox, &["deploy", "api"])["release"], "3");
    assert_eq!(done(&sandbox, &["deploy", "api", "1"])["release"], "1", "it is named");
}

#[test]
fn the_version_stands_in_directory_and_environment_too() {
    let sandbox = sandbox();
    for version in ["1", "2"] {
        let release = sandbox.path().join("releases").join(version);
        std::fs::create_dir_all(&release).unwrap();
        std::fs::write(release.join("env"), format!("Y=of-{version}\n")).unwrap();
    }
    edit(
        &sandbox,
        "env = { X = \"old\" }",
        "directory = \"releases/{version}\"\nenv = { X = \"v{version}\" }\n\
         env_file = \"releases/{version}/env\"",
    );
    edit(&sandbox, "in $(pwd)", "$Y in $(pwd)");
    let _running = sandbox.run();
    runs(&sandbox, "1");
    assert!(said(&sandbox).contains("X is v1 of-1 in "), "{}", said(&sandbox));
    done(&sandbox, &["deploy", "api", "2"]);
    let said = said(&sandbox);
    assert!(said.contains("X is v2 of-2 in ") && said.ends_with("/releases/2"), "{said}");
}
