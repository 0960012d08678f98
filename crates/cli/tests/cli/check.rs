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
fn the_file_as_it_is_read_has_variables_in_it_and_no_secrets() {
    let text = "include = [\"more/*.toml\"]\n[listeners.web]\nbind = \"${BIND:-127.0.0.1:0}\"\n";
    let sandbox = Sandbox::new("");
    let service = "[services.api]\ncommand = \"./api ${PORT}\"\nversion = \"1\"\n\
                   env = { KEY = \"${API_KEY}\", MODE = \"${MODE}\" }\nreplicas = \"${REPLICAS}\"\n";
    std::fs::create_dir(sandbox.path().join("more")).unwrap();
    std::fs::write(sandbox.path().join("more/api.toml"), service).unwrap();
    std::fs::write(sandbox.path().join("plimsoll.toml"), text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("API_KEY", "s3cr3t").env("REPLICAS", "3").env("MODE", "hidden");
        command.output().unwrap()
    };
    let output = run(&["check", "--resolved"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    insta::assert_snapshot!("check-resolved", shown);
    let json: Value =
        serde_json::from_slice(&run(&["check", "--resolved", "--json"]).stdout).unwrap();
    assert_eq!(json["resolved"], shown);
    // The same without its variables: each is named, and nothing is printed.
    let ended = sandbox.plimsoll(&["check", "--resolved"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    for name in ["API_KEY", "MODE", "REPLICAS"] {
        let what = format!("the variable `{name}` is not set");
        assert!(ended.stderr.contains(&what), "{}", ended.stderr);
    }
    assert!(ended.stderr.contains("more/api.toml:4:"), "{}", ended.stderr);
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
