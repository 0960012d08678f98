//! `plimsoll demo`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_plimsoll");

/// A demonstration whose processes can be told from all others.
struct Demo {
    mark: String,
    place: TempDir,
}

impl Demo {
    fn start(name: &str, arguments: &[&str]) -> (Self, Child) {
        let mark = format!("{name}-{}", std::process::id());
        let place = TempDir::new().unwrap();
        let child = Command::new(PROGRAM)
            .arg("demo")
            .args(arguments)
            .env("PLIMSOLL_TEST_MARK", &mark)
            .env("TMPDIR", place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        (Self { mark, place }, child.unwrap())
    }

    /// Waits until no process with the mark is left.
    fn leaves_nothing(&self) {
        let entry = format!("PLIMSOLL_TEST_MARK={}", self.mark);
        let is_ours = |process: &Path| {
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            if !processes.into_iter().any(|process| is_ours(&process.path())) {
                return;
            }
            assert!(Instant::now() < deadline, "a sample server outlives the demonstration");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// docs/demo.svg, which `scripts/picture` draws, was drawn of a demonstration that told the same: numbers apart, and what the
/// judge says of them.
fn is_what_the_picture_shows(steps: &[&str]) {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo.svg");
    let picture = std::fs::read_to_string(picture).unwrap();
    let mut shown = String::new();
    for part in picture.split(['<', '>']).skip(2).step_by(2) {
        shown.push(' ');
        shown.push_str(part);
    }
    let shown = shape(&shown);
    // What chance and a busy machine add is not looked for.
    let certain = ["is starting", "is ready", " receives ", "is promoted", "is asked to stop"];
    let is_certain = |step: &&&str| certain.iter().any(|words| step.contains(words));
    for step in steps.iter().filter(is_certain) {
        assert!(shown.contains(&shape(step)), "scripts/picture: it does not show {step}");
    }
}

/// Without its numbers, and in one line.
fn shape(text: &str) -> String {
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let words = text.split_whitespace().map(|word| match word.rsplit_once('-') {
        // An instance.
        Some((service, number)) if is_number(number) => service,
        _ if is_number(word) => "#",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_bad_release_is_taken_back_and_nothing_else_fails() {
    let (demo, child) = Demo::start("whole", &["--json"]);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let deploys = lines.iter().filter(|line| line["event"] == "deploys").count();
    assert_eq!(deploys, 2, "{text}");
    let receipt = lines.last().unwrap();
    assert_eq!(receipt["event"], "receipt");
    assert_eq!(receipt["good"]["outcome"], "promoted", "{text}");
    assert_eq!(receipt["bad"]["outcome"], "rolled-back", "{text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    for deploy in ["good", "bad"] {
        let releases = receipt[deploy]["releases"].as_array().unwrap();
        assert!(releases.iter().all(|it| it["requests"].as_u64().unwrap() > 0), "{text}");
    }
    // A minute is what the first command of the README promises.
    assert!(receipt["took_ms"].as_f64().unwrap() < 60_000.0, "{text}");
    let failures = receipt["failures"].as_object().unwrap();
    assert!(failures.keys().all(|why| why == "500 from 1.2"), "{text}");
    let steps = lines.iter().filter(|line| line["event"] == "step");
    let steps: Vec<&str> = steps.map(|line| line["step"]["text"].as_str().unwrap()).collect();
    assert!(steps.len() > 10 && !steps.iter().any(|step| step.contains("$VERSION")), "{steps:#?}");
    is_what_the_picture_shows(&steps);
    demo.leaves_nothing();
    let files = std::fs::read_dir(demo.place.path()).unwrap().count();
    assert_eq!(files, 0, "its directory is still there");
}

#[test]
fn a_demonstration_that_is_killed_leaves_no_server() {
    let (demo, mut child) = Demo::start("killed", &["--scene", "1m"]);
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("two servers of release 1.0 run"), "{first}");
    child.kill().unwrap();
    child.wait().unwrap();
    demo.leaves_nothing();
}
