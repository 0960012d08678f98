//! `plimsoll drain` and `plimsoll enable`.

use crate::origin::Origin;
use crate::sandbox::{Sandbox, read};

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
