//! The help of every command, as it is printed.

use crate::sandbox::Sandbox;

fn help(command: &[&str]) -> String {
    let ended = Sandbox::new("").plimsoll(&[command, &["--help"]].concat());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout
}

#[test]
fn the_program_tells_its_commands() {
    insta::assert_snapshot!("help", help(&[]));
}

#[test]
fn every_command_tells_its_use_with_examples() {
    for command in [
        "run",
        "check",
        "fmt",
        "reload",
        "status",
        "explain",
        "drain",
        "enable",
        "ban",
        "unban",
        "bans",
        "certificates",
        "secrets",
        "deploy",
        "rollback",
        "restart",
        "scale",
        "exec",
        "promote",
        "abort",
        "pause",
        "resume",
        "history",
        "judge",
        "logs",
        "events",
        "init",
        "proxy",
        "schema",
        "completions",
        "man",
        "version",
    ] {
        let text = help(&[command]);
        assert!(text.contains("Example"), "{command}");
        insta::assert_snapshot!(format!("help-{command}"), text);
    }
}

#[test]
fn the_demonstration_tells_what_it_does_and_its_servers_are_nobodys_business() {
    insta::assert_snapshot!("help-demo", help(&["demo"]));
    assert!(!help(&[]).contains("\n  sample"), "it is started by the demonstration alone");
}

#[test]
fn the_version_is_told() {
    for arguments in ["--version", "version"] {
        let told = Sandbox::new("").plimsoll(&[arguments]).stdout;
        let version = told.strip_prefix(concat!("plimsoll ", env!("CARGO_PKG_VERSION"), " "));
        let target = version.and_then(|rest| rest.trim_end().rsplit(' ').next()).unwrap();
        assert!(target.contains("linux"), "{told}");
    }
}

#[test]
fn no_line_of_a_help_is_wider_than_a_terminal() {
    for command in [
        &[][..],
        &["run"],
        &["status"],
        &["deploy"],
        &["explain"],
        &["logs"],
        &["man"],
        &["completions"],
    ] {
        for line in help(command).lines() {
            assert!(line.chars().count() <= 100, "{command:?}: {line}");
        }
    }
}

#[test]
fn wrong_use_ends_with_two() {
    for arguments in [&["chekc"][..], &["check", "--jsn"], &["drain", "api"], &[]] {
        assert_eq!(Sandbox::new("").plimsoll(arguments).code, Some(2), "{arguments:?}");
    }
}
