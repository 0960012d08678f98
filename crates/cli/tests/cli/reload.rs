//! `plimsoll reload`.

use rustix::process::Signal;

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

/// The variables are those of the program that runs: the shell of `reload` and `check` may have none of them.
/// After a crash all files are read again.
#[test]
fn a_reload_takes_the_running_programs_environment_and_the_files_that_are_included() {
    let more = |body: &str| {
        format!(
            "[[routes]]\npath = \"/more\"\nrespond = {{ status = 200, body = \"{body} ${{WORD}}\" }}\n"
        )
    };
    let sandbox = Sandbox::new(
        "[listeners.web]\nbind = \"${BIND}\"\n[[routes]]\nrespond = { status = 200 }\n",
    );
    let main = std::fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    let main = format!("include = [\"more.toml\"]\n{main}");
    std::fs::write(sandbox.path().join("plimsoll.toml"), main).unwrap();
    std::fs::write(sandbox.path().join("more.toml"), more("first")).unwrap();
    let run = || {
        let program = env!("CARGO_BIN_EXE_plimsoll");
        let home = sandbox.path().display();
        sandbox.run_by_shell(&format!("HOME={home} BIND=127.0.0.1:0 WORD=word exec {program} run"))
    };
    let running = run();
    assert!(running.get("/more").ends_with("first word"));
    std::fs::write(sandbox.path().join("more.toml"), more("second")).unwrap();
    let ended = sandbox.plimsoll(&["reload"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(running.get("/more").ends_with("second word"));
    std::fs::write(sandbox.path().join("more.toml"), "[[routes]]\nto = \"api\"\n").unwrap();
    let ended = sandbox.plimsoll(&["reload"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("more.toml:2:6"), "{}", ended.stderr);
    let status = sandbox.plimsoll(&["status"]);
    assert!(status.stdout.contains("more.toml, line 2: "), "{}", status.stdout);
    assert!(running.get("/more").ends_with("second word"));

    std::fs::write(sandbox.path().join("more.toml"), more("third")).unwrap();
    running.signal(Signal::KILL);
    drop(running);
    assert!(run().get("/more").ends_with("third word"));
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
