//! `plimsoll fmt`.

use std::io::Write;
use std::process::Stdio;

use crate::sandbox::Sandbox;

const UNTIDY: &str =
    "[listeners.web]\nbind=\"127.0.0.1:0\"   # all\n[[routes]]\nrespond={status=200}\n";

#[test]
fn a_file_is_laid_out_in_place_and_check_only_looks() {
    let sandbox = Sandbox::new(UNTIDY);
    let read = || std::fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    let before = read();
    let ended = sandbox.plimsoll(&["fmt", "--check"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "plimsoll.toml is not laid out\n"));
    assert_eq!(read(), before);
    let ended = sandbox.plimsoll(&["fmt"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "plimsoll.toml is laid out\n"));
    assert!(read().ends_with(
        "\n\n[listeners.web]\nbind = \"127.0.0.1:0\"   # all\n\n[[routes]]\nrespond = { status = 200 }\n"
    ));
    for arguments in [&["fmt"][..], &["fmt", "--check"], &["fmt", "plimsoll.toml"]] {
        let ended = sandbox.plimsoll(arguments);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
    }
}

#[test]
fn standard_input_goes_to_standard_output() {
    let sandbox = Sandbox::new("");
    let mut command = sandbox.command(&["fmt", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a=1").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"a = 1\n"[..]));
}

#[test]
fn a_file_that_is_no_toml_is_drawn_and_stays_as_it_is() {
    let sandbox = Sandbox::new("a = \n");
    let ended = sandbox.plimsoll(&["fmt"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("a value is missing"), "{}", ended.stderr);
    assert!(ended.stderr.contains("plimsoll.toml is not TOML"), "{}", ended.stderr);
}
