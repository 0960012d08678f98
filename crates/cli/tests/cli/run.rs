//! `plimsoll run`: starting, signals, and ending.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::origin::Origin;
use crate::sandbox::{Sandbox, read, serving};

#[test]
fn sigterm_gives_an_open_request_its_answer() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    assert!(running.get("/").ends_with("origin"));
    let slow = running.ask("/slow");
    origin.asked.recv().unwrap();
    running.signal(Signal::TERM);
    running.wait_for("draining");
    origin.answer.send(()).unwrap();
    let answer = read(slow);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("origin"), "{answer}");
    assert_eq!(running.wait(), Some(0));
    assert!(!sandbox.path().join("state/admin.sock").exists());
}

#[test]
fn a_second_signal_ends_at_once() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    let _slow = running.ask("/slow");
    origin.asked.recv().unwrap();
    running.signal(Signal::INT);
    running.wait_for("draining");
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(1));
}

#[test]
fn sighup_reloads() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    let more = "[[routes]]\npath = \"/new\"\nrespond = { status = 200, body = \"new\" }\n";
    sandbox.write(&format!("{}{more}", serving(&[origin.address])));
    running.signal(Signal::HUP);
    running.wait_for("revision=2");
    assert!(running.get("/new").ends_with("new"));
}

#[test]
fn a_second_run_for_the_same_state_is_refused() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    let ended = sandbox.plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3));
    let expected =
        format!("error: plimsoll is already running for SANDBOX/state (pid {})\n", running.pid());
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    assert!(running.get("/").ends_with("origin"));
}

#[test]
fn what_a_killed_one_left_behind_is_no_obstacle() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    running.signal(Signal::KILL);
    running.wait();
    assert!(sandbox.path().join("state/admin.sock").exists());
    let ended = sandbox.plimsoll(&["status"]);
    assert!(ended.stderr.starts_with("error: plimsoll is not running"), "{}", ended.stderr);
    assert!(sandbox.run().get("/").ends_with("origin"));
}

#[test]
fn a_file_that_is_wrong_is_drawn_and_not_served() {
    let ended = Sandbox::new("[listeners.web]\nbnid = 1\n").plimsoll(&["run"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("did you mean `bind`?"), "{}", ended.stderr);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_a_cure() {
    let sandbox = Sandbox::new("");
    for (file, cure) in
        [("nowhere.toml", "hint: name another with `-c FILE`"), (".", "hint: name the file in it")]
    {
        let ended = sandbox.plimsoll(&["run", "-c", file]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(cure), "{}", ended.stderr);
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = serving(&[address]).replace("127.0.0.1:0", &address.to_string());
    let sandbox = Sandbox::new(&text);
    let ended = sandbox.plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3), "it cannot start as things are");
    let note = sandbox.path().join("state/belongs-to");
    assert!(!note.exists(), "what was never served has no state of its own");
    let expected = format!("cannot listen on {address} (listener `web`)");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    assert!(ended.stderr.contains("already listened on by cli-"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!(", pid {}", std::process::id())), "{}", ended.stderr);
    assert!(ended.stderr.contains("ss -ltnp"), "{}", ended.stderr);
}

#[test]
fn two_plimsolls_never_share_a_port() {
    let origin = Origin::start();
    let first = Sandbox::serving(&[origin.address]);
    let running = first.run();
    let second = Sandbox::new(
        &serving(&[origin.address]).replace("127.0.0.1:0", &running.address.to_string()),
    );
    let ended = second.plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3));
    let expected = format!("already listened on by plimsoll, pid {}", running.pid());
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    let file = first.path().join("plimsoll.toml").display().to_string();
    assert!(ended.stderr.contains(&file), "{}", ended.stderr);
    assert!(running.get("/").ends_with("origin"));
}

#[test]
fn a_listener_of_another_name_takes_the_port_over_in_a_reload_and_a_restart_has_it_again() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    let fixed = serving(&[origin.address]).replace("127.0.0.1:0", &running.address.to_string());
    sandbox.write(&fixed.replace("listeners.web", "listeners.door"));
    running.signal(Signal::HUP);
    running.wait_for("revision=2");
    assert!(running.get("/").ends_with("origin"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    let again = sandbox.run();
    assert_eq!(again.address, running.address);
    assert!(again.get("/").ends_with("origin"));
}

#[test]
fn a_socket_that_is_taken_away_comes_back() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    std::fs::remove_file(sandbox.path().join("state/admin.sock")).unwrap();
    running.wait_for("socket was missing, recreated");
    assert_eq!(sandbox.plimsoll(&["status"]).code, Some(0));
}

#[test]
fn a_state_directory_that_others_may_write_is_refused_with_a_cure() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::serving(&[([127, 0, 0, 1], 1).into()]);
    let state = sandbox.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let ended = sandbox.plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("can be written by others than its owner"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: what is in it"), "{}", ended.stderr);
}

#[test]
fn an_access_log_that_cannot_be_made_is_named_with_a_cure_and_warned_of_once() {
    let log = "[log]\naccess = \"/proc/nope/deep/access.log\"\n";
    let ended = Sandbox::new(&format!("{}{log}", serving(&[([127, 0, 0, 1], 1).into()])))
        .plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3));
    let refused = "error: cannot open the access log /proc/nope/deep/access.log: ";
    assert!(ended.stderr.contains(refused), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: let this user write there"), "{}", ended.stderr);
    let warned = ended.stderr.matches("there is no directory /proc/nope").count();
    assert_eq!(warned, 1, "{}", ended.stderr);
}

#[test]
fn what_is_kept_is_its_owners_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let origin = Origin::start();
    let log = "[log]\naccess = \"log/plimsoll/access.log\"\n";
    let sandbox = Sandbox::new(&serving(&[origin.address]).replacen("drain = \"15s\"\n", log, 1));
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let running = sandbox.run_by_shell(&format!("umask 000; exec {program} run"));
    running.get("/");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let state = sandbox.path().join("state");
    assert_eq!(mode(&state), 0o700);
    for entry in std::fs::read_dir(&state).unwrap().flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
    }
    assert_eq!(mode(&sandbox.path().join("log/plimsoll/access.log")), 0o640);
    assert_eq!(mode(&sandbox.path().join("log")), 0o750);
}

#[test]
fn nobody_but_root_looks_into_a_running_one() {
    use std::os::unix::fs::{MetadataExt, chown};
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let running = match rustix::process::geteuid().is_root() {
        true => {
            for path in [sandbox.path().to_owned(), sandbox.path().join("plimsoll.toml")] {
                chown(path, Some(5678), Some(5678)).unwrap();
            }
            let other = "exec setpriv --reuid=5678 --regid=5678 --clear-groups";
            sandbox.run_by_shell(&format!("{other} {program} run"))
        }
        false => sandbox.run(),
    };
    // The system gives the files of a process that may not be looked into to root, whoever it runs as.
    let environ = std::fs::metadata(format!("/proc/{}/environ", running.pid())).unwrap();
    assert_eq!(environ.uid(), 0);
}

#[test]
fn an_admin_api_without_its_token_is_refused() {
    let admin = "[admin]\nbind = \"127.0.0.1:0\"\ntoken_env = \"PLIMSOLL_TEST_TOKEN\"\n";
    let text = format!("{}{admin}", serving(&[([127, 0, 0, 1], 1).into()]));
    let ended = Sandbox::new(&text).plimsoll(&["run"]);
    assert_eq!(ended.code, Some(3));
    let expected = "error: the token in the environment variable PLIMSOLL_TEST_TOKEN is not set";
    assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
}

#[test]
fn what_was_refused_has_its_line_in_the_access_log() {
    let origin = Origin::start();
    let access = "[log]\naccess = \"access.log\"\n";
    let rest = serving(&[origin.address]).replacen("drain = \"15s\"\n", access, 1);
    let sandbox = Sandbox::new(&rest);
    let mut running = sandbox.run();
    let mut client = testkit::RawClient::connect(running.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    let mut client = testkit::RawClient::connect(running.address);
    client.send(format!("GET /{} HTTP/1.1\r\n", "x".repeat(40_000)));
    assert_eq!(client.answer().status, 414);
    let client = testkit::H2Client::connect(running.address);
    assert_eq!(client.ask(testkit::h2_client::request("CONNECT", ""), b"", None).status, 405);
    drop(client);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    let log = std::fs::read_to_string(sandbox.path().join("access.log")).unwrap();
    let endings = log.lines().map(|line| {
        let of = |key: &str| line.split(' ').find_map(|part| part.strip_prefix(key)).unwrap();
        (of("status="), of("ending="), of("protocol="), of("client="))
    });
    assert_eq!(
        endings.collect::<Vec<_>>(),
        [
            ("400", "bad_request", "HTTP/1.1", "127.0.0.1"),
            ("414", "uri_too_long", "HTTP/1.1", "127.0.0.1"),
            ("405", "method_not_allowed", "HTTP/2", "127.0.0.1"),
        ]
    );
}

#[test]
fn the_service_manager_is_told_when_it_serves_and_how_long_its_end_may_take() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let socket = sandbox.path().join("notify.sock");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut message = [0; 256];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let mut running = sandbox.run_with_variable("NOTIFY_SOCKET", &socket);
    assert_eq!(told(), "READY=1\nSTATUS=serving");
    assert!(running.get("/").ends_with("origin"));
    running.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=25000000");
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn a_service_manager_that_does_not_listen_is_no_obstacle() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run_with_variable("NOTIFY_SOCKET", "/nowhere/notify.sock");
    running.wait_for("cannot tell the service manager");
    assert!(running.get("/").ends_with("origin"));
}

#[test]
fn sigusr1_opens_the_access_log_anew_and_takes_no_change_of_the_file_up() {
    let more = "[log]\naccess = \"access.log\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
                [[routes]]\nrespond = { status = 204 }\n";
    let sandbox = Sandbox::new(more);
    let running = sandbox.run();
    assert!(running.get("/before").contains("204"));
    let log = |name: &str| std::fs::read_to_string(sandbox.path().join(name)).unwrap_or_default();
    testkit::eventually("a line", || log("access.log").contains("/before"));
    std::fs::rename(sandbox.path().join("access.log"), sandbox.path().join("access.log.1"))
        .unwrap();
    sandbox.write(&more.replace("204", "410"));
    running.signal(Signal::USR1);
    testkit::eventually("it is there again", || sandbox.path().join("access.log").exists());
    assert!(running.get("/after").contains("204"), "the file is for a reload");
    testkit::eventually("a line", || log("access.log").contains("/after"));
    assert!(!log("access.log.1").contains("/after"));
}
