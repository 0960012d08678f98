//! `plimsoll check`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

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
fn what_clients_certificates_are_checked_by_is_looked_into() {
    let tls = "tls = { certificates = [{ cert = \"cert.pem\", key = \"key.pem\" }], \
               client_auth = { ca = \"ca.pem\", crl = \"ca.crl\" } }\n";
    let sandbox = Sandbox::new(&GOOD.replace("[[routes]]", &format!("{tls}[[routes]]")));
    let authority = testkit::Authority::default();
    let shown = authority.issue(&["a.example"]);
    let write = |name: &str, text: &str| std::fs::write(sandbox.path().join(name), text).unwrap();
    std::fs::copy(shown.cert, sandbox.path().join("cert.pem")).unwrap();
    std::fs::copy(shown.key, sandbox.path().join("key.pem")).unwrap();
    write("ca.pem", &authority.pem());
    let said = || sandbox.plimsoll(&["check"]);

    let ended = said();
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("the list of what was revoked cannot be read"),
        "{}",
        ended.stdout
    );

    write("ca.crl", &authority.pem());
    let ended = said();
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    for part in [
        "error[certificate]: ",
        "ca.crl holds no list of revoked certificates, but a certificate",
        " --> plimsoll.toml:6:",
        "= help: name the lists of revoked certificates here",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }

    std::fs::copy(authority.revoke_until(&[], 2021), sandbox.path().join("ca.crl")).unwrap();
    let ended = said();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("was to be replaced"), "{}", ended.stdout);

    write("ca.pem", "nonsense");
    let ended = said();
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("ca.pem is not a PEM file"), "{}", ended.stdout);
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
    let expected = "error: cannot read nothing.toml: No such file or directory (os error 2)\n\
                    hint: name another with `-c FILE`; `plimsoll init` writes a first one\n";
    assert_eq!(ended.stderr, expected);
    std::fs::remove_file(sandbox.path().join("plimsoll.toml")).unwrap();
    if !std::path::Path::new("/etc/plimsoll/plimsoll.toml").exists() {
        let ended = sandbox.plimsoll(&["check"]);
        assert_eq!(ended.code, Some(1));
        insta::assert_snapshot!("check-no-file", ended.stderr);
    }
}

#[test]
fn here_looks_at_this_machine_and_what_plimsoll_holds_itself_is_not_missing() {
    let service =
        "[services.a]\ncommand = \"./serve $PORT\"\nversion = \"1\"\nhealth = { tcp = true }\n";
    let sandbox = Sandbox::new(&format!("{GOOD}{service}"));
    assert_eq!(sandbox.plimsoll(&["check"]).code, Some(0), "the file itself is right");
    let ended = sandbox.plimsoll(&["check", "--here"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    for part in ["error[here]: there is no program", "plimsoll.toml:9:11", "service `a`", "help: "]
    {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let ended = sandbox.plimsoll(&["check", "--here", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((report["valid"].clone(), report["errors"].clone()), (false.into(), 1.into()));
    assert_eq!(report["here"][0]["line"], 9);

    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    sandbox.write(&GOOD.replace("127.0.0.1:0", &address.to_string()));
    let running = sandbox.run();
    let ended = sandbox.plimsoll(&["check", "--here"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    drop(running);
    let _other = std::net::TcpListener::bind(address).unwrap();
    let ended = sandbox.plimsoll(&["check", "--here"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("already listened on by"), "{}", ended.stdout);
}

#[test]
fn here_says_which_server_that_is_asked_takes_no_connection() {
    let up = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let auths = format!(
        "[auth.up]\nforward = {{ to = \"http://{}/a\" }}\n[auth.gone]\nforward = {{ to = \"http://{gone}/b\" }}\n\
         [auth.keys]\njwt = {{ jwks = \"http://{gone}/c\" }}\n\
         [[routes]]\nto = \"api\"\nauth = [\"up\", \"gone\", \"keys\"]\n",
        up.local_addr().unwrap()
    );
    let sandbox = Sandbox::new(&format!(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n[services.api]\ntargets = [\"{}\"]\n{auths}",
        up.local_addr().unwrap()
    ));
    let ended = sandbox.plimsoll(&["check", "--here"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    for (part, times) in
        [("authentication `up`", 0), ("authentication `gone`", 1), ("authentication `keys`", 1)]
    {
        assert_eq!(ended.stdout.matches(part).count(), times, "{part}: {}", ended.stdout);
    }
    assert!(ended.stdout.contains(&format!("http://{gone}/b: nothing listens there yet")));
}

#[test]
fn a_first_start_says_what_its_services_lack_with_the_place() {
    let service =
        "[services.a]\ncommand = \"./serve $PORT\"\nversion = \"1\"\nhealth = { tcp = true }\n";
    let sandbox = Sandbox::new(&format!("{GOOD}{service}"));
    let start = |sandbox: &Sandbox| {
        let mut command = sandbox.command(&["run"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| !line.contains("listening on")).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        said.join("\n")
    };
    let said = start(&sandbox);
    assert!(
        said.contains("error[here]: there is no program") && said.contains("plimsoll.toml:9:11"),
        "{said}"
    );
    let said = start(&sandbox);
    assert!(!said.contains("error[here]"), "the journal knows what runs: {said}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_json_too() {
    let ended = Sandbox::new("").plimsoll(&["check", "none.toml", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:#?}");
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["file"], &told["valid"]), (&"none.toml".into(), &false.into()));
    assert!(told["error"].as_str().unwrap().starts_with("cannot read none.toml: "), "{told}");
}
