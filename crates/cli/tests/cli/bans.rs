//! `plimsoll ban`, `unban` and `bans`, and a logout.

use std::io::Write;
use std::process::Stdio;

use testkit::Authority;
use testkit::token::{TOKEN_SECRET, token};
use wire::tls::ClientCertificate;

use crate::origin::Origin;
use crate::sandbox::{Running, Sandbox};

fn sandbox(origin: &Origin) -> Sandbox {
    Sandbox::new(&format!(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n[services.api]\ntargets = [\"{}\"]\n\
         [auth.users]\njwt = {{ secret_env = \"JWT_SECRET\" }}\n\
         [[routes]]\npath = \"/logout\"\nto = \"api\"\nauth = \"users\"\nban_token = \"on_success\"\n\
         [[routes]]\nto = \"api\"\nauth = \"users\"\n",
        origin.address
    ))
}

fn secret() -> &'static str {
    std::str::from_utf8(TOKEN_SECRET).unwrap()
}

/// What a command says, which must do what it is told: its output.
fn plimsoll(sandbox: &Sandbox, arguments: &[&str], stdin: &str) -> String {
    let mut command = sandbox.command(arguments);
    command.env("JWT_SECRET", secret()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The status for a request with this token.
fn status(running: &Running, path: &str, token: &str) -> String {
    let said = running.get_with(path, &format!("authorization: Bearer {token}\r\n"));
    said.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn who_is_banned_is_shown_and_refused_until_that_is_lifted() {
    let origin = Origin::start();
    let sandbox = sandbox(&origin);
    let running = sandbox.run_with_variable("JWT_SECRET", secret());
    let becomes = |token: &str, wanted: &str| {
        testkit::eventually(wanted, || status(&running, "/", token) == wanted);
    };
    let (alice, bob) = (token("\"sub\":\"alice\""), token("\"sub\":\"bob\",\"jti\":\"7\""));
    assert_eq!(plimsoll(&sandbox, &["bans"], ""), "nobody is banned\n");
    let said = plimsoll(&sandbox, &["ban", "--subject", "alice", "--for", "30m"], "");
    assert!(said.starts_with("subject alice is banned; ends in "), "{said}");
    becomes(&alice, "401");
    assert_eq!(status(&running, "/", &bob), "200");
    assert_eq!(
        plimsoll(&sandbox, &["unban", "--subject", "alice"], ""),
        "subject alice is banned no more\n"
    );
    becomes(&alice, "200");

    let line = format!("Bearer {alice}\n");
    let said = plimsoll(&sandbox, &["ban", "--token", "--for", "1h", "--reason", "stolen"], &line);
    assert!(said.starts_with("token with SHA-256 "), "{said}");
    becomes(&alice, "401");
    let authority = Authority::default();
    let ci = authority.issue_to("ci", &[]);
    let digest = ClientCertificate::load(&ci.cert).unwrap().fingerprint_text();
    let of_file = ["--certificate", ci.cert.to_str().unwrap()];
    let said = plimsoll(&sandbox, &["ban", of_file[0], of_file[1], "--for", "1h"], "");
    assert!(said.starts_with(&format!("token with SHA-256 {digest} is banned")), "{said}");
    assert!(plimsoll(&sandbox, &["unban", of_file[0], of_file[1]], "").contains(&digest));
    // A logout.
    assert_eq!(status(&running, "/logout", &bob), "200");
    becomes(&bob, "401");
    let table = plimsoll(&sandbox, &["bans"], "");
    assert!(table.contains("token 7 ") && table.contains("stolen"), "{table}");
    let json = plimsoll(&sandbox, &["bans", "--json"], "");
    assert!(json.contains("\"token_sha256\"") && !json.contains(&alice), "{json}");
    let kept = std::fs::read_to_string(sandbox.path().join("state/bans")).unwrap();
    assert!(!kept.contains(&alice) && !kept.contains(&bob), "{kept}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let origin = Origin::start();
    let sandbox = sandbox(&origin);
    let _running = sandbox.run_with_variable("JWT_SECRET", secret());
    let code = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("JWT_SECRET", secret()).output().unwrap().status.code()
    };
    for arguments in [
        &["ban", "--for", "1h"][..],
        &["ban", "--subject", "a"],
        &["ban", "--subject", "a", "--address", "::1", "--for", "1h"],
        &["ban", "--issuer", "i", "--for", "1h"],
        &["ban", "--token", "--for", "1h"],
        &["ban", "--certificate", "gone.pem", "--for", "1h"],
    ] {
        assert_eq!(code(arguments), Some(2), "{arguments:?}");
    }
    for arguments in [
        &["ban", "--address", "somewhere", "--for", "1h"][..],
        &["ban", "--issued-before", "yesterday", "--for", "1h"],
        &["unban", "--subject", "nobody"],
    ] {
        assert_ne!(code(arguments), Some(0), "{arguments:?}");
    }
}
