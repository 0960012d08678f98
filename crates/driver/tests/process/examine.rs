//! Programs that are run once beside an instance.

use std::fs;
use std::time::{Duration, Instant};

use driver::{Command, Driver, Examination, Examined, ExitCause, Instance, LaunchError};

use crate::ground::{Ground, soon, until};

/// Of `instance`, by this script.
fn examination(ground: &Ground, instance: &dyn Instance, script: &str) -> Examination {
    Examination {
        launch: ground.launch(Command::Shell("exec sleep 1000".into())),
        command: Command::Shell(script.into()),
        record: instance.record().clone(),
        timeout: LONG,
    }
}

/// Examines a running instance with this script.
async fn examine(
    ground: &Ground,
    script: &str,
    timeout: Duration,
) -> Result<Examined, LaunchError> {
    let instance = ground.shell("exec sleep 1000").await;
    let examination = Examination { timeout, ..examination(ground, &*instance, script) };
    let examined = ground.driver.examine(examination).await;
    soon(instance.stop(crate::ground::stop())).await;
    examined
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn it_is_run_as_the_instance_is_and_its_first_line_is_told() {
    let ground = Ground::new();
    let script =
        "echo; echo $INSTANCE of $SERVICE $VERSION has ${PORT:+a port} in $(pwd); echo more";
    let examined = examine(&ground, script, LONG).await.unwrap();
    assert!(examined.is_well());
    let place = ground.path().canonicalize().unwrap();
    let line = format!("api-1 of api 1.4.2 has a port in {}", place.display());
    assert_eq!(examined.line, Some(line));
}

#[tokio::test]
async fn how_it_ended_is_told_with_what_it_wrote_to_either_output() {
    let ground = Ground::new();
    let examined = examine(&ground, "echo disk full >&2; exit 3", LONG).await.unwrap();
    assert_eq!(examined.ending, Some(ExitCause::Code(3)));
    assert_eq!(examined.words(LONG), "exit code 3: disk full");
    let killed = examine(&ground, "kill -9 $$", LONG).await.unwrap();
    assert_eq!(killed.ending, Some(ExitCause::Signal(9)));
    // What it writes to the output by name is heard as well, and no flood holds it up.
    let flood = "echo first > /dev/stderr; yes | head -c 1000000; exit 1";
    let examined = examine(&ground, flood, LONG).await.unwrap();
    assert_eq!(examined.words(LONG), "exit code 1: first");
}

#[tokio::test]
async fn when_its_time_is_over_it_is_killed_with_all_that_it_started() {
    let ground = Ground::new();
    let began = Instant::now();
    let script = "echo asks; sleep 1000 & (sleep 1000; true) & sleep 1000";
    let examined = examine(&ground, script, Duration::from_millis(500)).await.unwrap();
    assert_eq!(examined, Examined { ending: None, line: Some("asks".to_owned()) });
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    until("nothing of it is left", || ground.processes().is_empty()).await;
}

#[tokio::test]
async fn what_it_leaves_behind_does_not_outlive_it_and_is_not_waited_for() {
    let ground = Ground::new();
    let began = Instant::now();
    // It holds the output open.
    let examined = examine(&ground, "sleep 1000 & echo well", LONG).await.unwrap();
    assert_eq!(examined.line.as_deref(), Some("well"));
    assert!(examined.is_well() && began.elapsed() < LONG, "{:?}", began.elapsed());
    until("nothing of it is left", || ground.processes().is_empty()).await;
}

#[tokio::test]
async fn given_up_it_is_killed() {
    let ground = Ground::new();
    let instance = ground.shell("exec sleep 1000").await;
    let script = "echo > began; sleep 1000 & sleep 1000";
    let examination = examination(&ground, &*instance, script);
    let task = tokio::spawn(ground.driver.examine(examination));
    until("it runs", || fs::exists(ground.path().join("began")).unwrap()).await;
    task.abort();
    until("only the instance is left", || ground.processes().len() == 1).await;
    soon(instance.stop(crate::ground::stop())).await;
}

#[tokio::test]
async fn what_cannot_be_run_is_told() {
    let ground = Ground::new();
    let instance = ground.shell("exec sleep 1000").await;
    let command = Command::Line("no-such-program --ping".into());
    let examination = Examination { command, ..examination(&ground, &*instance, "exit 0") };
    let fault = ground.driver.examine(examination).await.unwrap_err();
    soon(instance.stop(crate::ground::stop())).await;
    assert!(matches!(fault, LaunchError::Program(_)), "{fault:?}");
}
