//! `plimsoll drain` and `plimsoll enable`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::origin::Origin;
use crate::sandbox::{Sandbox, read, serving};

#[test]
fn a_drained_instance_keeps_what_is_open_and_gets_nothing_new() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    let name = origin.address.to_string();
    let slow = running.ask("/slow");
    origin.asked.recv().unwrap();

    let ended = sandbox.plimsoll(&["drain", "api", &name]);
    let expected = format!("api {name} gets nothing new; still open: 1 request\n");
    assert_eq!((ended.code, ended.stdout), (Some(0), expected));
    let ended = sandbox.plimsoll(&["drain", "api", &name, "--wait", "1ms"]);
    assert_eq!(ended.code, Some(1));
    assert!(running.get("/").starts_with("HTTP/1.1 503 "));

    origin.answer.send(()).unwrap();
    assert!(read(slow).ends_with("origin"));
    let ended = sandbox.plimsoll(&["drain", "api", &name, "--wait"]);
    assert_eq!(ended.code, Some(0));
    let expected = format!("api {name} is drained: nothing is open on it");
    assert_eq!(ended.stdout.lines().last(), Some(expected.as_str()));

    assert_eq!(sandbox.plimsoll(&["enable", "api", &name]).code, Some(0));
    assert!(running.get("/").ends_with("origin"));
}

#[test]
fn a_target_that_leaves_the_file_meanwhile_is_not_said_to_be_drained() {
    let (kept, gone) = (Origin::start(), Origin::start());
    let sandbox = Sandbox::serving(&[gone.address]);
    let running = sandbox.run();
    let slow = running.ask("/slow");
    gone.asked.recv().unwrap();
    let name = gone.address.to_string();
    let waits = sandbox.command(&["drain", "api", &name, "--wait"]);
    let mut waits = { waits }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(waits.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().contains("still open: 1 request"));
    sandbox.write(&serving(&[kept.address]));
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    let ended = waits.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), said.next()), (Some(3), None), "{told}");
    assert!(told.contains(&format!("has no instance {name}")), "{told}");
    gone.answer.send(()).unwrap();
    assert!(read(slow).ends_with("origin"), "it was open until it was answered");
}

/// Responds to each request with the status that `is_well` says at the time.
fn moody(is_well: &Arc<AtomicBool>) -> SocketAddr {
    let (listener, is_well) = (TcpListener::bind("127.0.0.1:0").unwrap(), is_well.clone());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let status = if is_well.load(Ordering::Relaxed) { "200 OK" } else { "500 Bad" };
            let response =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(response.as_bytes());
        }
    });
    address
}

#[test]
fn an_enabled_instance_is_waited_for_until_its_check_passes() {
    let is_well = Arc::new(AtomicBool::new(true));
    let (well, sick) = (moody(&Arc::new(AtomicBool::new(true))), moody(&is_well));
    let health = "health = { path = \"/\", interval = \"20ms\", unhealthy = 1, healthy = 1 }\n";
    let text = serving(&[well, sick]);
    let at = text.find("[[routes]]").unwrap();
    let sandbox = Sandbox::new(&format!("{}{health}{}", &text[..at], &text[at..]));
    let _running = sandbox.run();
    let name = sick.to_string();
    assert_eq!(sandbox.plimsoll(&["drain", "api", &name]).code, Some(0));
    is_well.store(false, Ordering::Relaxed);
    testkit::eventually("the failed check is seen", || {
        let ended = sandbox.plimsoll(&["enable", "api", &name]);
        ended.stdout.contains("gets no traffic yet: unhealthy")
    });
    let ended = sandbox.plimsoll(&["enable", "api", &name, "--wait", "1ms"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("no traffic after 1 ms: unhealthy"), "{ended:#?}");
    let mut waits = sandbox.command(&["enable", "api", &name, "--wait"]);
    let waits = waits.stdout(Stdio::piped()).spawn().unwrap();
    is_well.store(true, Ordering::Relaxed);
    let output = waits.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("gets traffic: healthy"), "{said}");
}

#[test]
fn a_name_that_is_nearly_right_is_guessed() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let _running = sandbox.run();
    for command in ["drain", "enable"] {
        let ended = sandbox.plimsoll(&[command, "apo", "x"]);
        let expected = "error: there is no service `apo`\nhint: did you mean `api`?\n";
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), expected));
    }
}
