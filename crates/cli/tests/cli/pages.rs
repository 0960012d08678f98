//! What the pages of the guide tell a reader to type into other programs (openssl, curl, jq), word for word but for the
//! ports. A program that this machine lacks is skipped with a word, and is a failure with `PLIMSOLL_REQUIRE=1`.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use serde_json::Value;

use crate::origin::Origin;
use crate::sandbox::{Sandbox, read};
use crate::transcript::{assert_printed, shown};

fn page(name: &str) -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    fs::read_to_string(guide.join(name)).unwrap()
}

/// The page's first file.
fn file(page: &str) -> &str {
    page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

/// The lines of code that begin so.
fn lines<'a>(page: &'a str, begin: &str) -> Vec<&'a str> {
    let code = page.lines().filter_map(|line| line.strip_prefix("    "));
    let lines: Vec<&str> = code.filter(|line| line.starts_with(begin)).collect();
    assert!(!lines.is_empty(), "no line begins with {begin}");
    lines
}

/// The text with each of these replaced; each has to be there.
fn adapted(text: &str, changes: &[(&str, &str)]) -> String {
    let change = |text: String, (there, here): &(&str, &str)| {
        assert!(text.contains(there), "`{there}` is not in {text}");
        text.replace(there, here)
    };
    changes.iter().fold(text.to_owned(), change)
}

fn sandbox(file: &str) -> Sandbox {
    let sandbox = Sandbox::new("");
    fs::write(sandbox.path().join("plimsoll.toml"), file).unwrap();
    sandbox
}

/// What a line prints that ends well.
fn shell(sandbox: &Sandbox, line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(sandbox.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Sees an event come over curl's `line`, which goes on until it is ended. Its response's head says that it follows.
fn followed(sandbox: &Sandbox, line: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", &adapted(line, &[("curl", "exec curl --include")])]);
    command.current_dir(sandbox.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut follower = command.spawn().unwrap();
    let mut shown = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(shown.any(|line| line.is_empty()), "{line}");
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    assert!(shown.any(|line| line.starts_with("data: ")), "{line}");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn the_certificates_that_the_page_on_tls_makes_serve() {
    if !testkit::has(&["openssl", "curl"]) {
        return;
    }
    let page = page("tls.md");
    let origin = Origin::saying("by tls");
    let target = origin.address.to_string();
    let sandbox = sandbox(&adapted(
        file(&page),
        &[
            ("\"0.0.0.0:80\"", "\"127.0.0.1:0\""),
            ("[\"0.0.0.0:443\", \"[::]:443\"]", "\"127.0.0.1:0\""),
            ("redirect_https = true", "redirect_https = 443"),
            ("127.0.0.1:9001", &target),
        ],
    ));
    for line in [lines(&page, "mkdir"), lines(&page, "openssl req")].concat() {
        shell(&sandbox, line);
    }
    let checked = sandbox.plimsoll(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked:#?}");
    let mut running = sandbox.run();
    let line = running.wait_for("listening on https://");
    let port = line.rsplit(':').next().unwrap().split(' ').next().unwrap();
    for line in lines(&page, "curl") {
        let (resolve, url) =
            (format!("example.com:{port}:"), format!("https://example.com:{port}/"));
        let line = adapted(line, &[("example.com:443:", &resolve), ("https://example.com/", &url)]);
        assert_eq!(shell(&sandbox, &line), "by tls", "{line}");
    }
}

#[test]
fn what_the_page_on_observability_asks_for_is_there() {
    if !testkit::has(&["curl", "jq"]) {
        return;
    }
    let page = page("observability.md");
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let sandbox = sandbox(&adapted(
        file(&page),
        &[
            ("127.0.0.1:7070", "127.0.0.1:0"),
            ("127.0.0.1:8080", "127.0.0.1:0"),
            ("\"10.0.0.11:8080\", \"10.0.0.12:8080\"", &format!("\"{dead}\"")),
        ],
    ));
    let running = sandbox.run();
    assert!(running.get("/").starts_with("HTTP/1.1 502 "));
    let [events, status, metrics] = lines(&page, "curl")[..] else {
        panic!("three lines ask the API")
    };
    followed(&sandbox, events);
    let status: Value = serde_json::from_str(&shell(&sandbox, status)).unwrap();
    assert_eq!(status["services"][0]["name"], "api");
    assert!(shell(&sandbox, metrics).contains("plimsoll_requests_total"));
    for line in lines(&page, "jq") {
        // The log is written beside the response.
        let shows = || shell(&sandbox, line).contains(&format!("\t{dead}\tconnect"));
        testkit::eventually("the log shows what failed", shows);
    }
    for line in lines(&self::page("grpc.md"), "jq") {
        assert_eq!(shell(&sandbox, line), "", "no call has failed: {line}");
    }
}

#[test]
fn a_deploy_prints_what_the_page_on_deploying_shows() {
    let page = page("deploying.md");
    let changes = [("\"0.0.0.0:8080\"", "\"127.0.0.1:0\""), ("bake = \"30s\"", "bake = \"3s\"")];
    // With a state directory of its own, where the page's file has that of the machine.
    let sandbox = Sandbox::new(&adapted(file(&page), &changes));
    for version in ["1.4.1", "1.4.2"] {
        let release = sandbox.path().join("releases").join(version);
        fs::create_dir_all(&release).unwrap();
        let program = env!("CARGO_BIN_EXE_plimsoll");
        fs::write(release.join("api"), format!("#!/bin/sh\nexec {program} sample\n")).unwrap();
        fs::set_permissions(release.join("api"), Permissions::from_mode(0o755)).unwrap();
    }
    let running = sandbox.run_with_variable("DATABASE_URL", "postgres://db");
    testkit::eventually("the first release serves", || {
        let status = sandbox.plimsoll(&["status", "--json"]).stdout;
        let status: Value = serde_json::from_str(&status).unwrap();
        let run = &status["services"][0]["run"];
        run["release"] == "1.4.1" && run["deploy"].is_null()
    });
    assert!(running.get("/").contains(" of 1.4.1"));
    let [deploy] = lines(&page, "plimsoll deploy api 1.4.2")[..] else {
        panic!("one line deploys it")
    };
    let words: Vec<&str> = deploy.split_whitespace().skip(1).collect();
    let address = running.address;
    let (over, is_over) = mpsc::channel::<()>();
    let client = thread::spawn(move || {
        // A request at a time, until the other side is dropped.
        while is_over.try_recv() == Err(TryRecvError::Empty) {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
            assert!(read(stream).starts_with("HTTP/1.1 200 "));
        }
    });
    let ended = sandbox.plimsoll(&words);
    drop(over);
    client.join().unwrap();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_printed(&shown(&page, "api-3 of release"), &ended.stdout);
}
