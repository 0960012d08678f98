//! Every command that the README and the guide name is one that this program takes: a page cannot tell
//! of a flag that is not there.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use crate::arguments::parse_from;

/// How a command begins in a page.
const PROGRAMS: [&str; 2] = ["cargo run --release -- ", "plimsoll "];

/// Where a command ends, if the line goes on.
const ENDS: [&str; 8] = [" #", " | ", " && ", " > ", "; ", " &", "\"", "  "];

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["docs/guide", "docs/guide/frameworks"].map(|folder| root.join(folder));
    let guide = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let guide = guide.map(|entry| entry.unwrap().path());
    let pages = guide.filter(|path| path.extension().is_some_and(|it| it == "md"));
    pages.chain([root.join("README.md")]).collect()
}

/// The lines of code in a page, and what stands between backticks in its prose; not its files.
fn code(page: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut prose = String::new();
    for (index, piece) in page.split("```").enumerate() {
        if index % 2 == 1 {
            continue;
        }
        for line in piece.lines() {
            match line.starts_with("    ") {
                true => code.push(line.trim().to_owned()),
                false => prose.push_str(&format!("{line}\n")),
            }
        }
    }
    let spans = prose.split('`').skip(1).step_by(2);
    code.extend(spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")));
    code
}

/// The commands of ours in a line, without the program.
fn commands(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for program in PROGRAMS {
        for (at, _) in line.match_indices(program) {
            let before = line[..at].chars().next_back();
            if !before.is_none_or(|char| " /\"".contains(char)) {
                continue;
            }
            let rest = &line[at + program.len()..];
            // Where the program is copied to is no command of it, nor is the container that it runs in.
            if rest.starts_with('/') || rest.starts_with("plimsoll ") {
                continue;
            }
            let quoted = before == Some('"');
            // A quote ends what stands in quotes, and is part of what does not.
            let ends = ENDS.iter().filter(|end| quoted || **end != "\"");
            let end = ends.filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            found.push(rest[..end].trim().to_owned());
        }
    }
    found
}

/// Why the program does not take a command.
fn fault(command: &str) -> Option<String> {
    let words = shlex::split(command)?;
    let is_bare = words.len() == 1;
    let error = parse_from(["plimsoll".to_owned()].into_iter().chain(words)).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        // The prose names a command without what it is about.
        ErrorKind::MissingRequiredArgument if is_bare => None,
        _ => Some(error.to_string()),
    }
}

#[test]
fn every_command_in_the_guide_is_one_that_is_taken() {
    let mut seen = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for command in code(&page).iter().flat_map(|line| commands(line)) {
            seen += 1;
            if let Some(fault) = fault(&command) {
                panic!("{}: plimsoll {command}\n{fault}", path.display());
            }
        }
    }
    assert!(seen >= 40, "only {seen} commands were found");
}

#[test]
fn the_unit_in_the_guide_is_the_one_that_is_packaged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let unit = fs::read_to_string(root.join("packaging/plimsoll.service")).unwrap();
    let indented = |line: &str| if line.is_empty() { "\n".into() } else { format!("    {line}\n") };
    let quoted: String = unit.lines().map(indented).collect();
    let page = fs::read_to_string(root.join("docs/guide/running.md")).unwrap();
    assert!(page.contains(&quoted), "docs/guide/running.md quotes another unit than:\n{quoted}");
}

#[test]
fn commands_are_found_wherever_they_stand() {
    for (line, expected) in [
        ("plimsoll drain api a:80 --wait 30s && ssh a", &["drain api a:80 --wait 30s"][..]),
        ("cargo run --release -- deploy api 2      # or rolled back", &["deploy api 2"]),
        ("ExecStart=/usr/local/bin/plimsoll run -c a.toml", &["run -c a.toml"]),
        ("certbot renew --deploy-hook \"plimsoll reload -c b\"", &["reload -c b"]),
        (
            "plimsoll deploy api 2 --steps \"10% 10s\" --bake 1s",
            &["deploy api 2 --steps \"10% 10s\" --bake 1s"],
        ),
        ("docker compose exec plimsoll plimsoll status", &["status"]),
        ("useradd plimsoll", &[]),
        ("COPY target/release/plimsoll /usr/local/bin/", &[]),
    ] {
        assert_eq!(commands(line), expected, "{line}");
    }
    assert_eq!(fault("status --wach").map(|it| it.contains("--wach")), Some(true));
    assert!(fault("statsu").is_some());
    assert_eq!(fault("drain"), None);
    assert_eq!(fault("run --help"), None);
}
