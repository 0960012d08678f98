//! `plimsoll secrets`, and who is given which.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use testkit::token::{TOKEN_SECRET, token};

use crate::sandbox::{Ended, Sandbox};

const PROGRAM: &str = env!("CARGO_BIN_EXE_plimsoll");

/// A route with tokens by a secret of the file, and two services, of which each writes down its environment.
fn sandbox() -> Sandbox {
    let service = |name: &str, secret: &str| {
        format!(
            "[services.{name}]\ncommand = {{ shell = 'env > env-{name}-{{version}}; exec {PROGRAM} sample' }}\nversion = \"1\"\n\
             secrets = [\"{secret}\"]\ninherit = [\"*\"]\nhealth = {{ path = \"/health\", interval = \"100ms\" }}\n"
        )
    };
    Sandbox::new(&format!(
        "[admin]\nbind = \"127.0.0.1:0\"\ntoken_env = \"ADMIN_TOKEN\"\n\
         [listeners.web]\nbind = \"127.0.0.1:0\"\n[auth.users]\njwt = {{ secret_env = \"JWT_SECRET\" }}\n\
         [[routes]]\nto = \"api\"\nauth = \"users\"\n[[routes]]\npath = \"/other\"\nto = \"other\"\n{}{}",
        service("api", "DB_PASSWORD"),
        service("other", "KEY")
    ))
}

/// Runs a command with this on its standard input.
fn given(sandbox: &Sandbox, arguments: &[&str], stdin: &[u8]) -> Ended {
    let mut command = sandbox.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn set(sandbox: &Sandbox, name: &str, value: &[u8]) -> String {
    let ended = given(sandbox, &["secrets", "set", name], value);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    ended.stdout + &ended.stderr
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path().join(name)).unwrap_or_default()
}

#[test]
fn each_service_gets_what_it_names_and_the_configuration_what_it_asks_for() {
    let sandbox = sandbox();
    let said = set(&sandbox, "JWT_SECRET", TOKEN_SECRET);
    assert!(
        said.contains("secrets.key is a new key") && said.contains("JWT_SECRET is set"),
        "{said}"
    );
    set(&sandbox, "DB_PASSWORD", b"hunter2\nof two lines\n");
    set(&sandbox, "KEY", b"other's\n");
    // Without it the admin API would not be served over TCP, and nothing would start.
    set(&sandbox, "ADMIN_TOKEN", &[b'x'; 32]);
    let file = sandbox.path().join("secrets.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = read(&sandbox, "secrets.age");
    assert!(!sealed.contains("hunter2") && !sealed.contains("DB_PASSWORD"), "{sealed}");

    let running = sandbox.run();
    let status = |path: &str, headers: &str| {
        running.get_with(path, headers).split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let bearer = format!("authorization: Bearer {}\r\n", token("\"sub\":\"alice\""));
    testkit::eventually("both serve", || {
        status("/", &bearer) == "200" && status("/other", "") == "200"
    });
    assert_eq!(status("/", ""), "401");
    let (api, other) = (read(&sandbox, "env-api-1"), read(&sandbox, "env-other-1"));
    assert!(api.contains("DB_PASSWORD=hunter2\nof two lines\n"), "{api}");
    assert!(other.contains("KEY=other's\n"), "{other}");
    for (environment, alien) in [(&api, "KEY="), (&other, "DB_PASSWORD="), (&api, "JWT_SECRET=")] {
        assert!(!environment.lines().any(|line| line.starts_with(alien)), "{alien} {environment}");
    }
    assert!(!api.contains("SECRETS_KEY"), "{api}");

    // A change is told by the reload, and is for what starts after it.
    set(&sandbox, "DB_PASSWORD", b"changed\n");
    let reloaded = sandbox.plimsoll(&["reload"]);
    assert!(reloaded.stdout.contains("~ secrets"), "{reloaded:#?}");
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2"]).code, Some(0));
    assert!(read(&sandbox, "env-api-2").contains("DB_PASSWORD=changed\n"));

    let list = sandbox.plimsoll(&["secrets", "list"]);
    let rows: Vec<Vec<&str>> =
        list.stdout.lines().map(|it| it.split_whitespace().collect()).collect();
    assert_eq!(
        rows[1..],
        [
            vec!["ADMIN_TOKEN", "secrets.age", "-"],
            vec!["DB_PASSWORD", "secrets.age", "api"],
            vec!["JWT_SECRET", "secrets.age", "-"],
            vec!["KEY", "secrets.age", "other"],
        ]
    );
    assert!(!list.stdout.contains("changed"));
}

#[test]
fn what_cannot_be_opened_is_refused_with_its_cure_and_never_skipped() {
    let sandbox = sandbox();
    for (name, value) in [("JWT_SECRET", TOKEN_SECRET), ("DB_PASSWORD", b"x"), ("KEY", b"y")] {
        set(&sandbox, name, value);
    }
    assert_eq!(sandbox.plimsoll(&["check"]).code, Some(0));
    let (key, away) = (sandbox.path().join("secrets.key"), sandbox.path().join("away"));
    fs::rename(&key, &away).unwrap();
    for command in [&["check"][..], &["run"], &["secrets", "list"]] {
        let ended = sandbox.plimsoll(command);
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        assert!(ended.stderr.contains("no key to open it"), "{}", ended.stderr);
        assert!(ended.stderr.contains("PLIMSOLL_SECRETS_KEY_FILE"), "{}", ended.stderr);
    }
    let with = |name: &str, value: &str| {
        let mut command = sandbox.command(&["check"]);
        let output = command.env(name, value).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let text = fs::read_to_string(&away).unwrap();
    assert_eq!(with("PLIMSOLL_SECRETS_KEY", &text).0, Some(0));
    assert_eq!(with("PLIMSOLL_SECRETS_KEY_FILE", away.to_str().unwrap()).0, Some(0));
    fs::create_dir(sandbox.path().join("credentials")).unwrap();
    fs::copy(&away, sandbox.path().join("credentials/secrets.key")).unwrap();
    assert_eq!(with("CREDENTIALS_DIRECTORY", "credentials").0, Some(0));
    let (code, said) = with("PLIMSOLL_SECRETS_KEY", "AGE-SECRET-KEY-1HUNTER2");
    assert!(
        code == Some(3) && said.contains("no usable key") && !said.contains("HUNTER2"),
        "{said}"
    );
    // A stranger's key says what would have to be added.
    fs::remove_file(&away).unwrap();
    let mine = sandbox.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::copy(sandbox.path().join("plimsoll.toml"), mine.join("plimsoll.toml")).unwrap();
    let ended = given(&sandbox, &["secrets", "set", "A", "-c", "mine/plimsoll.toml"], b"x");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let recipient = fs::read_to_string(mine.join("secrets.recipients")).unwrap();
    let recipient = recipient.split_whitespace().next().unwrap();
    let (code, said) =
        with("PLIMSOLL_SECRETS_KEY_FILE", mine.join("secrets.key").to_str().unwrap());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(recipient) && said.contains("secrets rotate --keep-key"), "{said}");
    fs::set_permissions(mine.join("secrets.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (_, said) = with("PLIMSOLL_SECRETS_KEY_FILE", mine.join("secrets.key").to_str().unwrap());
    assert!(said.contains("chmod 600"), "{said}");
}

#[test]
fn a_new_key_takes_the_old_ones_place() {
    let sandbox = sandbox();
    set(&sandbox, "KEY", b"value\n");
    let (old, before) = (read(&sandbox, "secrets.key"), read(&sandbox, "secrets.recipients"));
    let rotated = sandbox.plimsoll(&["secrets", "rotate"]);
    assert_eq!(rotated.code, Some(0), "{rotated:#?}");
    let (new, after) = (read(&sandbox, "secrets.key"), read(&sandbox, "secrets.recipients"));
    assert!(old != new && before != after);
    assert_eq!((new.lines().count(), after.lines().count()), (2, 1));
    let list = |key: &str| {
        let mut command = sandbox.command(&["secrets", "list"]);
        command.env("PLIMSOLL_SECRETS_KEY", key).output().unwrap().status.code()
    };
    assert_eq!((list(&old), list(&new)), (Some(3), Some(0)));
    let mut with_key = sandbox.command(&["secrets", "rotate"]);
    let output = with_key.env("PLIMSOLL_SECRETS_KEY", &new).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--key-file"), "{said}");
    // Where it would lock itself out, it does not.
    fs::write(sandbox.path().join("secrets.recipients"), &before).unwrap();
    let refused = sandbox.plimsoll(&["secrets", "rotate", "--keep-key"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let set = given(&sandbox, &["secrets", "set", "KEY"], b"other\n");
    assert!(set.code == Some(3) && set.stderr.contains("does not name this key"), "{set:#?}");
    assert_eq!(list(&new), Some(0));
}

/// What `secrets edit` does where the editor is this script, of which `$1` is the file.
fn edited(sandbox: &Sandbox, script: &str) -> Ended {
    let editor = sandbox.path().join("editor");
    fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command: Command = sandbox.command(&["secrets", "edit"]);
    command.env("EDITOR", editor);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn the_text_is_edited_in_memory_and_nothing_of_it_stays() {
    let sandbox = sandbox();
    set(&sandbox, "KEY", b"value\n");
    let ended = edited(
        &sandbox,
        "ls -ld $(dirname $1) > seen; echo $1 >> seen; echo '# a word' >> $1; echo 'NEW = \"n\"' >> $1",
    );
    assert!(ended.code == Some(0) && ended.stdout.contains("is changed"), "{ended:#?}");
    let seen = read(&sandbox, "seen");
    let place = seen.lines().nth(1).unwrap();
    assert!(seen.starts_with("drwx------") && place.starts_with("/dev/shm/"), "{seen}");
    assert!(!fs::exists(std::path::Path::new(place).parent().unwrap()).unwrap());
    let list = sandbox.plimsoll(&["secrets", "list", "--json"]).stdout;
    assert!(list.contains("\"NEW\"") && list.contains("\"KEY\""), "{list}");
    let sealed = read(&sandbox, "secrets.age");
    assert!(edited(&sandbox, "grep -q '# a word' $1").stdout.contains("nothing is changed"));
    let wrong = edited(&sandbox, "echo hunter2 >> $1");
    assert_eq!(wrong.code, Some(1), "{wrong:#?}");
    assert!(
        wrong.stderr.contains("is not TOML") && !wrong.stderr.contains("hunter2"),
        "{wrong:#?}"
    );
    let failed = edited(&sandbox, "exit 3");
    assert!(failed.code == Some(1) && failed.stderr.contains("nothing is changed"), "{failed:#?}");
    assert_eq!(read(&sandbox, "secrets.age"), sealed);
}
