//! A crash at every boundary of a deploy, and a disk that is full: what follows is the old release or
//! the new one, with nothing left over.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use super::house::House;

/// At this boundary a deploy has begun, and its release has not come to stay.
const IN_THE_MIDDLE: u32 = 4;

/// With one instance, so that there are not too many boundaries.
fn house() -> House {
    House::new("deploy = { bake = \"100ms\" }\n")
}

/// Deploys again and again, each time with a crash one boundary later, until a deploy meets none.
/// How many there were.
fn crash_at_every_boundary(strategy: &str) -> u32 {
    let mut house = house();
    let mut ends = [0, 0];
    for boundary in 0..1000 {
        let before = house.settled();
        house.restart_with(&["--crash-after", &boundary.to_string()]);
        let version = format!("r{boundary}");
        let mut deploy = vec!["deploy", "api", &version, "--strategy", strategy];
        if strategy == "canary" {
            deploy.extend(["--steps", "50% 100ms"]);
        }
        let asked = house.sandbox.plimsoll(&deploy);
        if asked.code == Some(0) {
            assert!(!house.running.has_ended(), "its end is written down before it is told");
            tell(strategy, boundary, ends);
            return boundary;
        }
        let signal = house.running.wait_for_signal();
        assert_eq!(
            signal,
            Some(Signal::ABORT.as_raw()),
            "it crashed, and did not fail: {asked:#?}"
        );
        if boundary == IN_THE_MIDDLE {
            // And while the next start writes down what became of it.
            house.start_and_end(&["--crash-after", "0"]);
            house.start_and_end(&["--crash-after", "1"]);
        }
        house.restart_with(&[]);
        let release = house.is_in_order(1);
        assert!(release == before || release == version, "{strategy}, {boundary}: {release}");
        assert!(house.running.get("/").ends_with("hello"), "{strategy}, {boundary}");
        ends[usize::from(release == version)] += 1;
    }
    panic!("a deploy has no end of boundaries");
}

#[expect(clippy::print_stdout, reason = "what was counted is what the long one is run for")]
fn tell(strategy: &str, boundaries: u32, [old, new]: [u32; 2]) {
    println!(
        "{strategy}: {boundaries} boundaries, {old} ended in the old release, {new} in the new"
    );
}

#[test]
fn a_crash_at_every_boundary_of_a_rolling_deploy() {
    assert!(crash_at_every_boundary("rolling") > 10);
}

#[test]
#[ignore = "takes a minute or two: scripts/deploys"]
fn a_crash_at_every_boundary_of_every_strategy() {
    for strategy in ["rolling", "blue-green", "canary", "replace"] {
        assert!(crash_at_every_boundary(strategy) > 10);
    }
}

#[test]
fn a_release_does_not_stay_that_is_not_written_down() {
    let mut house = house();
    house.restart_on_a_full_disk();
    house.settled();
    let steps = ["--strategy", "canary", "--steps", "50% 60s", "--no-wait"];
    house.done(&[&["deploy", "api", "2"][..], &steps].concat());
    house.until("its first step", |service| service["run"]["deploy"]["stage"] == "at 50 %");
    house.running.limit_files(Some(0));
    house.done(&["promote", "api"]);
    house.until("its end", |service| service["run"]["deploy"].is_null());
    assert_eq!(house.settled(), "1");
    house.running.limit_files(None);
    house.promoted(&["3"]);
    house.restart_with(&[]);
    assert_eq!(house.is_in_order(1), "3");
}

#[test]
fn a_full_disk_stops_no_request_no_restart_and_no_deploy_that_has_begun() {
    let mut house = house();
    let way_back = house.sandbox.journal().with_extension("db-journal");
    let long = || fs::metadata(&way_back).unwrap().len();
    let before = long();
    house.restart_without_writing();
    assert_eq!(house.settled(), "1", "it is taken over and serves");
    assert!(house.running.get("/").ends_with("hello"));
    assert_eq!(house.sandbox.plimsoll(&["deploy", "api", "none"]).code, Some(3));
    house.restart_on_a_full_disk();
    let mut release = house.settled();
    house.loses_its_instance();
    let refused = (0..100).find_map(|round| {
        // Long, so that there is less room the sooner.
        let version = format!("r{round}-{}", "x".repeat(2000));
        let ended = house.sandbox.plimsoll(&["deploy", "api", &version]);
        if ended.code == Some(0) {
            release = version;
            return None;
        }
        Some(ended)
    });
    let refused = refused.expect("the disk is full at some time");
    assert_eq!(refused.code, Some(3), "what has begun ends well: {refused:#?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("the journal cannot be used"), "{said}");
    assert_eq!(house.sandbox.plimsoll(&["deploy", "api", "now"]).code, Some(3));
    assert_eq!(house.settled(), release, "what ran runs on");
    house.loses_its_instance();
    // And after a crash.
    house.restart_on_a_full_disk();
    house.loses_its_instance();
    assert_eq!(long(), before, "the file for the way back does not grow");
    house.restart_with(&[]);
    assert_eq!(house.is_in_order(1), release);
    house.promoted(&["after"]);
    assert_eq!(house.is_in_order(1), "after");
}

/// A small disk of its own for the state directory, while it lives.
struct Disk(PathBuf);

impl Disk {
    /// Puts one below `house`, with what was there.
    fn below(house: &mut House) -> Self {
        house.kill();
        let state = house.sandbox.journal().parent().unwrap().to_owned();
        let before = state.with_extension("before");
        fs::rename(&state, &before).unwrap();
        fs::create_dir(&state).unwrap();
        let disk = Self(state.clone());
        system(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "none"])
                .arg(&state),
        );
        system(Command::new("cp").arg("-r").arg(before.join(".")).arg(&state));
        house.restart_with(&[]);
        disk
    }

    /// Leaves no byte of it.
    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        for size in [4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        let full = filler.write_all(&[0]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: who still has a file open there may keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn system(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

#[test]
#[ignore = "needs root, for it mounts a disk: scripts/deploys"]
fn on_a_disk_without_a_byte_left_what_ends_is_started_again() {
    let mut house = house();
    let disk = Disk::below(&mut house);
    house.settled();
    disk.fill();
    (0..3).for_each(|_| house.loses_its_instance());
    house.restart_with(&[]);
    (0..3).for_each(|_| house.loses_its_instance());
    assert_eq!(house.sandbox.plimsoll(&["deploy", "api", "2"]).code, Some(3));
    fs::remove_file(disk.filler()).unwrap();
    house.promoted(&["2"]);
    assert_eq!(house.is_in_order(1), "2");
    house.kill();
}
