//! Jobs: what is run by the clock, run by hand here.

use rustix::process::Signal;
use serde_json::Value;

use super::{begin, deploy, is_begun, sandbox, until};
use crate::sandbox::Sandbox;

/// `[jobs.crawl]` that runs this script, with `more` of it.
fn job(script: &str, more: &str) -> String {
    format!(
        "env = {{ COLOUR = \"blue\" }}\n[services.api.deploy]\nbake = \"0s\"\n\
         [jobs.crawl]\nservice = \"api\"\ncommand = {{ shell = {script:?} }}\n{more}"
    )
}

/// The runs of the job, the latest first.
fn runs(sandbox: &Sandbox) -> Vec<Value> {
    let told = sandbox.plimsoll(&["jobs", "crawl", "--json"]).stdout;
    let job: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    job["runs"].as_array().unwrap().clone()
}

#[test]
fn a_run_by_hand_is_shown_as_it_goes_ends_as_the_job_does_and_is_kept() {
    let script = "echo found by $SERVICE {version} in $COLOUR; echo and lost >&2; exit 7";
    let sandbox = sandbox(&job(script, "schedule = \"0 0 1 1 *\"\n"));
    let mut running = begin(&sandbox);
    assert_eq!(runs(&sandbox), [Value::Null; 0]);
    let ended = sandbox.plimsoll(&["run-job", "crawl"]);
    assert_eq!(ended.code, Some(7), "{ended:#?}");
    assert_eq!(ended.stdout, "found by api 1 in blue\nand lost\n");
    assert_eq!(ended.stderr, "crawl: it exited with code 7\n");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));

    let _running = begin(&sandbox);
    let runs = runs(&sandbox);
    let run = &runs[0];
    assert_eq!((&run["outcome"], &run["exit_code"]), (&"failed".into(), &7.into()), "{run:#}");
    assert_eq!((&run["release"], &run["attempts"]), (&"1".into(), &1.into()), "{run:#}");
    assert_eq!(run["output"], "found by api 1 in blue\nand lost");
    let shown = sandbox.plimsoll(&["jobs"]).stdout;
    assert!(shown.contains("0 0 1 1 *") && shown.contains("failed (7)"), "{shown}");
    assert!(shown.contains("it exited with code 7"), "{shown}");
    let unknown = sandbox.plimsoll(&["run-job", "crwal"]);
    assert_eq!(unknown.code, Some(3));
    assert!(unknown.stderr.contains("did you mean `crawl`?"), "{unknown:#?}");
}

#[test]
fn a_job_goes_on_through_a_deploy_and_the_next_run_is_the_new_release_s() {
    let script = "echo release {version}; [ ! -e long ] || exec sleep 1000";
    let sandbox = sandbox(&job(script, ""));
    let _running = begin(&sandbox);
    std::fs::write(sandbox.path().join("long"), "").unwrap();
    let before = sandbox.instances();
    assert_eq!(sandbox.plimsoll(&["run-job", "crawl", "--no-wait"]).code, Some(0));
    until(&sandbox, "the job", |_| sandbox.instances().len() > before.len());
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!(code, Some(0), "{receipt:#}");
    let run = &runs(&sandbox)[0];
    assert_eq!((&run["release"], &run["outcome"]), (&"1".into(), &Value::Null), "{run:#}");
    let busy = sandbox.plimsoll(&["run-job", "crawl"]);
    assert_eq!(busy.code, Some(3), "{busy:#?}");
    assert!(busy.stderr.contains("`crawl` runs already"), "{busy:#?}");

    // The file lets the next one stop it.
    std::fs::remove_file(sandbox.path().join("long")).unwrap();
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\noverlap = \"replace\"\n")).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    let ended = sandbox.plimsoll(&["run-job", "crawl"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "release 2\n"), "{ended:#?}");
    let runs = runs(&sandbox);
    assert_eq!((&runs[0]["outcome"], &runs[0]["release"]), (&"succeeded".into(), &"2".into()));
    assert_eq!(runs[1]["outcome"], "replaced", "{runs:#?}");
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_with_all_that_it_started_and_tried_again() {
    let more = "timeout = \"1s\"\nretry = { attempts = 2, backoff = \"1ms\" }\n";
    let sandbox = sandbox(&job("echo begun; sleep 1000 & sleep 1000", more));
    let _running = begin(&sandbox);
    let before = sandbox.instances();
    let ended = sandbox.plimsoll(&["run-job", "crawl"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.stdout, "begun\n--- attempt 2 of 2 ---\nbegun\n");
    assert_eq!(ended.stderr, "crawl: it did not end within 1s, and was stopped\n");
    assert_eq!(sandbox.instances(), before);
    assert_eq!(runs(&sandbox)[0]["attempts"], 2);
}

#[test]
fn what_a_crash_leaves_of_a_job_is_ended_by_the_next_start_and_said() {
    let sandbox = sandbox(&job("echo begun; exec sleep 1000", ""));
    let mut running = begin(&sandbox);
    let before = sandbox.instances();
    assert_eq!(sandbox.plimsoll(&["run-job", "crawl", "--no-wait"]).code, Some(0));
    until(&sandbox, "the job", |_| sandbox.instances().len() > before.len());
    running.signal(Signal::KILL);
    running.wait();
    let mut running = sandbox.run();
    is_begun(&sandbox);
    until(&sandbox, "its end", |_| sandbox.instances() == before);
    let run = &runs(&sandbox)[0];
    assert_eq!(run["outcome"], "interrupted", "{run:#}");
    assert_eq!(run["why"], "Plimsoll ended while it ran, and it was stopped");

    // And at a stop of Plimsoll nothing of one is left.
    assert_eq!(sandbox.plimsoll(&["run-job", "crawl", "--no-wait"]).code, Some(0));
    until(&sandbox, "the job", |_| sandbox.instances().len() > before.len());
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), [0; 0]);
    let _running = begin(&sandbox);
    let run = &runs(&sandbox)[0];
    assert_eq!(
        (&run["outcome"], &run["why"]),
        (&"interrupted".into(), &"Plimsoll was stopped".into())
    );
}

#[test]
fn without_a_live_release_a_job_fails_and_says_why() {
    let sandbox = sandbox(&job("echo hello", ""));
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("version = \"1\"\n", "")).unwrap();
    let _running = sandbox.run();
    let ended = sandbox.plimsoll(&["run-job", "crawl"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:#?}");
    assert_eq!(ended.stderr, "crawl: no release of `api` is live\n");
}
