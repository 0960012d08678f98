//! `plimsoll reload`.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::origin::Origin;
use crate::sandbox::{Running, Sandbox, serving};

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

/// With requests on their way, a change after which they fail is rolled back, and refused until it is asked for.
#[test]
fn a_watched_reload_after_which_requests_fail_is_rolled_back_and_says_so() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    for _ in 0..60 {
        assert!(running.get("/").ends_with("origin"));
    }
    let more = "[[routes]]\npath = \"/new\"\nrespond = { status = 200 }\n";
    sandbox.write(&format!("{}{more}", serving(&[origin.address])));
    let ended = sandbox.plimsoll(&["reload", "--watch", "1s"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("\nrevision 2 stands: not compared: "), "{}", ended.stdout);

    sandbox.write(&serving(&[nobody()]));
    let clients = Clients::of(&running, "/");
    let ended = sandbox.plimsoll(&["reload", "--watch", "10m"]);
    drop(clients);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stdout.contains("\nrevision 3 was rolled back: "), "{}", ended.stdout);
    assert!(
        ended.stdout.ends_with("what was served before is served as revision 4\n"),
        "{}",
        ended.stdout
    );
    assert!(running.get("/").ends_with("origin"));

    let status = sandbox.plimsoll(&["status"]).stdout;
    assert!(status.contains("the file was rolled back as revision 3"), "{status}");
    let refused = sandbox.plimsoll(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("plimsoll reload --anyway"), "{}", refused.stderr);
    let ended = sandbox.plimsoll(&["reload", "--anyway"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.starts_with("revision 5 is served\n"), "{}", ended.stdout);
}

/// Clients that come until they are dropped, a connection each time. They take whatever they get.
struct Clients {
    over: Option<mpsc::Sender<()>>,
    client: Option<JoinHandle<()>>,
}

impl Clients {
    fn of(running: &Running, path: &'static str) -> Self {
        let address = running.address;
        let (over, ended) = mpsc::channel::<()>();
        let client = std::thread::spawn(move || {
            while ended.try_recv() == Err(TryRecvError::Empty) {
                let mut stream = TcpStream::connect(address).unwrap();
                let request =
                    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).unwrap();
                crate::sandbox::read(stream);
            }
        });
        Self { over: Some(over), client: Some(client) }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(client) = self.client.take() {
            // What it panicked for is said already.
            let _ = client.join();
        }
    }
}

/// The words of `plimsoll status --json`, once `condition` holds of them.
fn until(sandbox: &Sandbox, what: &str, condition: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = sandbox.plimsoll(&["status", "--json"]).stdout;
        let status = serde_json::from_str(&status).unwrap();
        if condition(&status) {
            return;
        }
        assert!(Instant::now() < deadline, "waited for {what}: {status:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A watched reload that is bad, which takes the listener `extra` out: another program has its port before it can be rolled back.
#[test]
fn what_cannot_be_rolled_back_stays_and_the_reload_says_why() {
    let origin = Origin::start();
    let extra = nobody();
    let with_extra = format!("[listeners.extra]\nbind = \"{extra}\"\n");
    let sandbox = Sandbox::new(&format!("{}{with_extra}", serving(&[origin.address])));
    let mut running = sandbox.run();
    until(&sandbox, "both listeners", |status| status["listeners"].as_array().unwrap().len() == 2);
    running.address = web(&sandbox);
    (0..60).for_each(|_| assert!(running.get("/").ends_with("origin")));

    sandbox.write(&serving(&[nobody()]));
    let ended = std::thread::scope(|scope| {
        let reload = scope.spawn(|| sandbox.plimsoll(&["reload", "--watch", "10m"]));
        until(&sandbox, "the watch", |status| !status["watched"].is_null());
        let deadline = Instant::now() + Duration::from_secs(20);
        let _taken = loop {
            match TcpListener::bind(extra) {
                Ok(taken) => break taken,
                Err(error) => assert!(Instant::now() < deadline, "{extra}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let _clients = Clients::of(&running, "/");
        reload.join().unwrap()
    });
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stdout.contains("\nrevision 2 cannot be rolled back: "), "{}", ended.stdout);
    assert!(ended.stdout.contains("what was served before cannot be: "), "{}", ended.stdout);
    assert!(ended.stdout.contains(&extra.port().to_string()), "{}", ended.stdout);
    running.wait_for("cannot roll the reload back");
    until(&sandbox, "revision 2 stays", |status| {
        status["revision"] == 2 && status["watched"].is_null()
    });
}

/// Where the listener `web` is.
fn web(sandbox: &Sandbox) -> SocketAddr {
    let status = sandbox.plimsoll(&["status", "--json"]).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let listeners = status["listeners"].as_array().unwrap();
    let web = listeners.iter().find(|it| it["name"] == "web").unwrap();
    web["addresses"][0].as_str().unwrap().parse().unwrap()
}

/// A service that Plimsoll runs, and whose file takes it out and has nothing in its place.
fn run_by_plimsoll() -> (Sandbox, String) {
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let sandbox = Sandbox::new("");
    let rest = "drain = \"5s\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n";
    let service = format!(
        "[[routes]]\nto = \"api\"\n[services.api]\ncommand = [{program:?}, \"sample\"]\n\
         version = \"1\"\nreplicas = 2\nhealth = {{ path = \"/health\", interval = \"200ms\" }}\n"
    );
    sandbox.write(&format!("{rest}{service}"));
    (sandbox, rest.to_owned())
}

/// Waits until the processes of a sandbox are these.
fn until_processes(sandbox: &Sandbox, wanted: &[u32]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while sandbox.instances() != wanted {
        assert!(Instant::now() < deadline, "{:?} run, not {wanted:?}", sandbox.instances());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn processes_of_a_service_that_is_taken_out_run_on_until_the_watch_is_over() {
    let (sandbox, rest) = run_by_plimsoll();
    let running = sandbox.run();
    until(&sandbox, "the release", |status| status["services"][0]["run"]["release"] == "1");
    until(&sandbox, "its instances", |status| {
        let instances = status["services"][0]["instances"].as_array();
        instances.is_some_and(|all| all.len() == 2 && all.iter().all(|it| it["state"] == "healthy"))
    });
    (0..60).for_each(|_| assert!(running.get("/").contains("hello from api-")));
    let processes = sandbox.instances();
    assert_eq!(processes.len(), 2);

    // Where it is rolled back they serve again: the same ones.
    let dead = format!("[[routes]]\nto = \"b\"\n[services.b]\ntargets = [\"{}\"]\n", nobody());
    sandbox.write(&format!("{rest}{dead}"));
    let ended = std::thread::scope(|scope| {
        let reload = scope.spawn(|| sandbox.plimsoll(&["reload", "--watch", "10m"]));
        until(&sandbox, "the watch", |status| !status["watched"].is_null());
        assert_eq!(sandbox.instances(), processes, "they run on");
        let _clients = Clients::of(&running, "/");
        reload.join().unwrap()
    });
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stdout.contains("\nrevision 2 was rolled back: "), "{}", ended.stdout);
    assert!(running.get("/").contains("hello from api-"));
    assert_eq!(sandbox.instances(), processes);

    // Where it stands they end with the watch.
    sandbox.write(&format!("{rest}[[routes]]\nrespond = {{ status = 200, body = \"closed\" }}\n"));
    let ended = sandbox.plimsoll(&["reload", "--watch", "1s"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("\nrevision 4 stands: "), "{}", ended.stdout);
    assert!(running.get("/").ends_with("closed"));
    until_processes(&sandbox, &[]);
}
