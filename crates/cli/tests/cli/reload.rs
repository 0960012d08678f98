//! `plimsoll reload`.

use crate::origin::Origin;
use crate::sandbox::{Sandbox, serving};

#[test]
fn a_reload_tells_what_changed() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    let more = "[[routes]]\npath = \"/new\"\nrespond = { status = 200, body = \"new\" }\n";
    sandbox.write(&format!("{}{more}", serving(&[origin.address])));
    assert!(running.get("/new").ends_with("origin"));
    let ended = sandbox.plimsoll(&["reload"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout, "revision 2 is served\n  ~ routes\n");
    assert!(running.get("/new").ends_with("new"));
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_says_why() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    sandbox.write("[listeners.web]\nbnid = 1\n");
    let ended = sandbox.plimsoll(&["reload"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains("did you mean `bind`?"), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert_eq!(last, "hint: the running configuration is unchanged");
    assert!(running.get("/").ends_with("origin"));
    let status = sandbox.plimsoll(&["status"]);
    assert!(status.stdout.contains("changed nothing: "), "{}", status.stdout);
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_as_check_tells_it() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let _running = sandbox.run();
    let tls = "tls = { certificates = [{ cert = \"cert.pem\", key = \"cert.pem\" }] }\n";
    let served = serving(&[origin.address]);
    let bind = served.lines().find(|line| line.starts_with("bind")).unwrap();
    sandbox.write(&served.replace(bind, &format!("{bind}\n{tls}")));
    std::fs::write(sandbox.path().join("cert.pem"), "no certificate").unwrap();
    let (ended, checked) = (sandbox.plimsoll(&["reload"]), sandbox.plimsoll(&["check"]));
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let drawing = checked.stdout.split("\n\n").next().unwrap();
    assert!(drawing.starts_with("error[certificate]"), "{drawing}");
    assert!(ended.stderr.starts_with(drawing), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("hint: the running configuration is unchanged\n"));
    let status = sandbox.plimsoll(&["status"]).stdout;
    assert!(status.contains("\n  listener `web`: "), "lines are lines: {status}");
}

#[test]
fn nobody_to_tell_is_said_with_a_hint() {
    let ended = Sandbox::new("").plimsoll(&["reload"]);
    assert_eq!(ended.code, Some(1));
    insta::assert_snapshot!("reload-not-running", ended.stderr);
}

#[test]
fn another_file_than_the_one_that_is_served_is_not_taken_for_it() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let _running = sandbox.run();
    let whole = std::fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    std::fs::write(sandbox.path().join("other.toml"), whole).unwrap();
    let expected = "error: the running plimsoll serves SANDBOX/plimsoll.toml, and not other.toml\n";
    for command in [&["reload"][..], &["deploy", "api", "2"], &["rollback", "api"]] {
        let ended = sandbox.plimsoll(&[command, &["-c", "other.toml"]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:#?}");
        assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
    }
    // However the same file is named.
    let whole = sandbox.path().join("./plimsoll.toml");
    let ended = sandbox.plimsoll(&["reload", "-c", whole.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let status = sandbox.plimsoll(&["status"]).stdout;
    let first = status.lines().next().unwrap();
    assert!(first.contains(" serves SANDBOX/plimsoll.toml, pid "), "{first}");
}
