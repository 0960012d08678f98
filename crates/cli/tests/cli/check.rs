//! `plimsoll check`.

use serde_json::Value;

use crate::sandbox::Sandbox;

const GOOD: &str =
    "[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = { status = 200 }\n";
const BAD: &str = "[listeners.web]\nbnid = \"127.0.0.1:0\"\n[[routes]]\nto = \"api\"\n";
const DOUBTFUL: &str = "[services.a]\ntargets = [\"a:1\"]\n";

#[test]
fn a_good_file_is_fine() {
    let ended = Sandbox::new(GOOD).plimsoll(&["check"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, "plimsoll.toml is fine: 1 listener, 0 services, 1 route\n");
}

#[test]
fn everything_that_is_wrong_is_drawn_at_once() {
    let ended = Sandbox::new(BAD).plimsoll(&["check"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!("check-wrong", ended.stdout);
}

#[test]
fn warnings_leave_a_file_that_can_be_served() {
    let ended = Sandbox::new(&format!("{DOUBTFUL}{GOOD}")).plimsoll(&["check"]);
    assert_eq!(ended.code, Some(0));
    let last = ended.stdout.lines().last().unwrap();
    let expected = "plimsoll.toml can be served, with 1 warning: 1 listener, 1 service, 1 route";
    assert_eq!(last, expected);
}

#[test]
fn certificates_are_looked_into() {
    let tls = "tls = { certificates = [{ cert = \"cert.pem\", key = \"cert.pem\" }] }\n";
    let sandbox = Sandbox::new(&GOOD.replace("[[routes]]", &format!("{tls}[[routes]]")));
    std::fs::write(sandbox.path().join("cert.pem"), "nonsense").unwrap();
    let ended = sandbox.plimsoll(&["check"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!("check-certificate", ended.stdout);
    let ended = sandbox.plimsoll(&["check", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((report["valid"].clone(), report["errors"].clone()), (false.into(), 1.into()));
    assert_eq!(report["certificates"][0]["listener"], "web");
}

#[test]
fn programs_get_the_same_as_data() {
    let sandbox = Sandbox::new(BAD);
    let ended = sandbox.plimsoll(&["check", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.code, Some(1));
    assert_eq!(report["valid"], false);
    assert_eq!(report["errors"], report["diagnostics"].as_array().unwrap().len());
    assert_eq!(report["diagnostics"][0]["code"], "unknown-key");
    assert_eq!(report["diagnostics"][0]["line"], 5);
    sandbox.write(GOOD);
    let ended = sandbox.plimsoll(&["check", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((report["valid"].clone(), report["routes"].clone()), (true.into(), 1.into()));
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let sandbox = Sandbox::new(GOOD);
    let ended = sandbox.plimsoll(&["check", "-c", "nothing.toml"]);
    assert_eq!(ended.code, Some(1));
    let expected = "error: cannot read nothing.toml: No such file or directory (os error 2)\n";
    assert_eq!(ended.stderr, expected);
    std::fs::remove_file(sandbox.path().join("plimsoll.toml")).unwrap();
    if !std::path::Path::new("/etc/plimsoll/plimsoll.toml").exists() {
        let ended = sandbox.plimsoll(&["check"]);
        assert_eq!(ended.code, Some(1));
        insta::assert_snapshot!("check-no-file", ended.stderr);
    }
}
