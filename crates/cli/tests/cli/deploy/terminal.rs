//! What a person sees of a deploy on a terminal: lines that grow, a picture below the last of them
//! that moves, and in the end the receipt alone; and that nobody else draws on it.

use super::{Visitors, begin, sandbox};
use crate::terminal::{USUAL, WIDE, on_a_terminal, run};

#[test]
fn a_deploy_is_a_picture_that_moves_and_leaves_its_receipt() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"500ms\" }\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 200);
    let mut pictures = Vec::new();
    let arguments = ["deploy", "api", "2", "--strategy", "canary", "--steps", "50% 2s"];
    let left = on_a_terminal(&sandbox, WIDE, &arguments, |screen| {
        assert!(screen.matches("INSTANCE").count() < 2, "one picture at a time:\n{screen}");
        pictures.push(screen);
    });
    let end = left.screen;
    assert_eq!(visitors.leave().failed(), 0);
    assert_eq!(left.code, Some(0), "{end}");
    let at_half = pictures.iter().rfind(|screen| screen.contains("1 → 2, for")).unwrap_or(&end);
    let at_half = pictures
        .iter()
        .find(|screen| {
            screen.contains(": at 50 %, ")
                && screen.contains("api-4     2        live")
                && screen.contains('█')
        })
        .unwrap_or_else(|| panic!("there is no picture of its step, but\n{at_half}"));
    for part in ["api-1     1        live", "SHARE", "█", "left; the judge says "] {
        assert!(at_half.contains(part), "{part} in\n{at_half}");
    }
    let lines: Vec<_> = end.lines().collect();
    assert!(lines[0].ends_with("s  api-3 of release 2 is starting"), "{end}");
    let gone = ["INSTANCE", "the judge says better or equal\n\n", "█"];
    assert!(gone.iter().all(|part| !end.contains(part)), "the picture is gone:\n{end}");
    assert!(end.contains("\n\napi: release 2 was promoted (before: 1)\n"), "{end}");
    assert!(lines.last().unwrap().starts_with("  users saw 0 of "), "{end}");
}

#[test]
fn a_picture_fits_eighty_columns_and_tells_the_truth_of_its_step() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"2s\" }\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 200);
    let mut pictures = Vec::new();
    let arguments = ["deploy", "api", "2", "--strategy", "canary", "--steps", "50% 2s"];
    let left = on_a_terminal(&sandbox, USUAL, &arguments, |screen| {
        assert!(screen.matches("INSTANCE").count() < 2, "one picture at a time:\n{screen}");
        pictures.push(screen);
    });
    assert_eq!(visitors.leave().failed(), 0);
    assert_eq!(left.code, Some(0), "{}", left.screen);
    let heads = pictures.iter().filter_map(|it| it.lines().find(|line| line.contains("INSTANCE")));
    assert!(heads.clone().count() > 0 && heads.clone().all(|it| it.contains("ERRORS")));
    // The old ones get nothing while the new release is watched: at once, and not ten seconds later.
    let baking = pictures.iter().filter(|it| it.contains(": baking, 1 s left"));
    let warm = baking.clone().flat_map(|it| it.lines()).filter(|line| line.contains(" warm "));
    let rates: Vec<&str> = warm.filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert!(!rates.is_empty() && rates.iter().all(|rate| *rate == "0"), "{rates:?}");
    let sent = String::from_utf8(left.sent).unwrap();
    assert!(sent.contains("\u{1b}[?2026h") && sent.contains("\u{1b}[?2026l"), "drawn at once");
}

/// Clears the screen, renames the window, moves up and forges a line, in C1 and turned round, too.
const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{1b}[A\u{9b}31mforged\u{202e}";

#[test]
fn what_others_write_never_reaches_the_terminal_as_a_command() {
    let sandbox = sandbox("replicas = 1\n");
    let _running = begin(&sandbox);
    let on = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("SUDO_USER", format!("eve\n   9  forged{EVIL}"));
        run(command, WIDE, drop)
    };
    let commands: [&[&str]; 8] = [
        &["deploy", "api", "evil"],
        &["logs", "api", "--all"],
        &["logs", "api", "--all", "--json"],
        &["history", "api"],
        &["history", "api", "2"],
        &["history", "api", "--json"],
        &["status"],
        &["explain", "GET", "http://a/", "-H", EVIL_HEADER],
    ];
    for command in commands {
        let left = on(command);
        let sent = String::from_utf8(left.sent).unwrap();
        for part in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{9b}", "\u{202e}", "\n   9  forged"] {
            assert!(!sent.contains(part), "{command:?} sends {part:?}:\n{sent:?}");
        }
        if command[0] != "status" && command[0] != "explain" {
            assert!(sent.contains("u001b]0;pwned"), "{command:?} does not tell it:\n{sent:?}");
        }
    }
    // In a file or a pipe the logs are what was written, and the others' lines are whole there, too.
    let piped = sandbox.plimsoll(&["history", "api"]).stdout;
    assert!(!piped.contains("\n   9  forged"), "{piped}");
}

const EVIL_HEADER: &str = "x: \u{1b}]0;pwned\u{7}";
