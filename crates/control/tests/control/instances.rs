//! What the control loop does with instances that it starts itself, whatever they are: here servers of the
//! test's own process.

use std::collections::BTreeSet;
use std::sync::Arc;

use control::{Acted, DeployError, DeployRequest, Overrides, Status, Wanted};

use crate::bench::{Bench, FakeNames};
use crate::tasks::{TaskDriver, names};

/// A service of so many instances, whose pause after an end is `backoff`.
fn config(replicas: u32, backoff: &str) -> String {
    format!(
        "[services.api]\ncommand = \"task\"\nversion = \"1\"\nreplicas = {replicas}\n\
         deploy = {{ bake = \"0s\" }}\nrestart = {{ backoff = \"{backoff}\", max_backoff = \"1h\" }}"
    )
}

async fn bench(driver: &TaskDriver, replicas: u32, backoff: &str) -> Bench {
    let text = config(replicas, backoff);
    let bench = Bench::start_by(&text, FakeNames::default(), Arc::new(driver.clone())).await;
    let wanted: Vec<String> = (1..=replicas).map(|number| format!("api-{number}")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    bench.until("all serve", |status| is_quiet(status) && serving(status) == names(&wanted)).await;
    bench
}

fn is_quiet(status: &Status) -> bool {
    status.services[0].run.as_ref().is_some_and(|run| run.deploy.is_none())
}

/// The instances that get requests.
fn serving(status: &Status) -> BTreeSet<String> {
    let all = status.services[0].instances.iter();
    let serving = all.filter(|instance| instance.drained_since.is_none());
    serving.map(|instance| instance.name.to_string()).collect()
}

fn waiting(status: &Status) -> Vec<String> {
    let run = status.services[0].run.as_ref().unwrap();
    run.waiting.iter().map(|waiting| waiting.state.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_is_started_again_under_its_name_and_serves() {
    let driver = TaskDriver::default();
    let bench = bench(&driver, 2, "10ms").await;
    driver.named("api-2")[0].fails();
    let both = names(&["api-1", "api-2"]);
    let again = || driver.named("api-2").len() == 2;
    bench.until("it is back", |status| again() && serving(status) == both).await;
    let back = driver.named("api-2").pop().unwrap();
    bench.get_until("it has requests", || back.requests() > 0).await;
    assert_eq!(driver.running().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_called_off_is_stopped_when_it_is_there_and_never_serves() {
    let driver = TaskDriver::default();
    let bench = bench(&driver, 1, "10ms").await;
    driver.hold(true);
    bench.write(&config(2, "10ms"));
    bench.handle.reload().await.unwrap();
    bench.until("it is being started", |status| waiting(status) == ["launching"]).await;
    bench.write(&config(1, "10ms"));
    bench.handle.reload().await.unwrap();
    driver.hold(false);
    bench.until("nothing waits", |status| driver.begun() == 2 && waiting(status).is_empty()).await;
    bench.until("it is stopped", |_| driver.running() == ["api-1"]).await;
    assert_eq!(driver.named("api-2").len(), 1, "its start was carried through");
    assert_eq!(driver.named("api-2")[0].requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_its_pause_that_is_not_wanted_any_more_is_gone_and_not_started_again() {
    let driver = TaskDriver::default();
    let bench = bench(&driver, 2, "1h").await;
    driver.named("api-2")[0].fails();
    let pauses = |status: &Status| waiting(status).iter().any(|it| it.contains("starts again"));
    bench.until("it is in its pause", pauses).await;
    bench.write(&config(1, "1h"));
    bench.handle.reload().await.unwrap();
    bench.until("it is gone", |status| waiting(status).is_empty()).await;
    assert_eq!((driver.begun(), driver.running()), (2, vec!["api-1".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_taken_out_leaves_nothing_running() {
    let driver = TaskDriver::default();
    let bench = bench(&driver, 2, "10ms").await;
    bench.write("[services.api]\ntargets = [\"127.0.0.1:9\"]");
    bench.handle.reload().await.unwrap();
    bench.until("all are stopped", |_| driver.running().is_empty()).await;
    bench.until("it is nobody's to run", |status| status.services[0].run.is_none()).await;
    assert_eq!(driver.begun(), 2, "none was started again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_driver_finds_keeps_a_deploy_from_beginning() {
    let driver = TaskDriver::default();
    let bench = bench(&driver, 1, "10ms").await;
    driver.find_fault("whether the image is there");
    let refused = bench.handle.deploy(request()).await.unwrap_err();
    let DeployError::Preflight { faults } = refused else { panic!("{refused:?}") };
    assert!(faults[0].starts_with("cannot determine whether the image is there"), "{faults:?}");
    assert_eq!(driver.begun(), 1);
}

fn request() -> DeployRequest {
    DeployRequest {
        service: "api".to_owned(),
        release: Wanted::Version("2".to_owned()),
        overrides: Overrides::default(),
        without: Vec::new(),
        who: "a test".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_whose_checks_hang_is_shown_and_can_be_aborted() {
    let driver = TaskDriver::default();
    let bench = bench(&driver, 1, "10ms").await;
    driver.hang();
    let handle = bench.handle.clone();
    let deploying = tokio::spawn(async move { handle.deploy(request()).await });
    let checking = |status: &Status| status.services[0].run.as_ref().unwrap().checking.clone();
    let status = bench.until("it is checked", |status| checking(status).is_some()).await;
    let shown = checking(&status).unwrap();
    assert_eq!((shown.version.as_str(), shown.who.as_str()), ("2", "a test"));
    let pause = bench.handle.deploy_action("api", rollout::DeployAction::Pause).await;
    assert!(matches!(pause, Err(DeployError::NotBegun { .. })), "{pause:?}");
    let abort = bench.handle.deploy_action("api", rollout::DeployAction::Abort).await.unwrap();
    assert!(matches!(abort, Acted::Checks), "{abort:?}");
    let refused = deploying.await.unwrap().unwrap_err();
    let DeployError::Preflight { faults } = refused else { panic!("{refused:?}") };
    assert_eq!(faults, ["it was aborted before it began"]);
    bench.until("the service is free again", |status| checking(status).is_none()).await;
    let idle = bench.handle.deploy_action("api", rollout::DeployAction::Abort).await;
    assert!(matches!(idle, Err(DeployError::NotRunning { .. })), "{idle:?}");
    assert_eq!(driver.begun(), 1);
}
