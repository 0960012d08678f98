//! Jobs by the clock, which a test turns ahead, with a driver whose instances are no processes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control::{After, Controller, Handle, JobError, JobOutcome, JobRun, JobStatus, Settings};

use testkit::RedisServer;

use crate::bench::settings_without_instances;
use crate::redis::{is_installed, section};
use crate::tasks::TaskDriver;
use crate::turned::Turned;

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// A controller with an hourly job.
struct Stage {
    controller: Option<Controller>,
    driver: TaskDriver,
    clock: Arc<Turned>,
    ahead: Duration,
    room: tempfile::TempDir,
}

impl Stage {
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same, with `more` in the file.
    async fn start_with(more: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        let state = room.path().join("state");
        let text = format!(
            "[server]\nstate_dir = {state:?}\nworkers = 1\n[log]\naccess = \"off\"\n\
             [listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nto = \"api\"\n\
             [services.api]\ncommand = \"api\"\nversion = \"1\"\n[services.api.deploy]\nbake = \"0s\"\n\
             [jobs.crawl]\nservice = \"api\"\ncommand = \"crawl\"\nschedule = \"@hourly\"\n{more}"
        );
        std::fs::write(room.path().join("plimsoll.toml"), text).unwrap();
        let (driver, clock) = (TaskDriver::default(), Arc::new(Turned::default()));
        let mut stage = Self { controller: None, driver, clock, ahead: Duration::ZERO, room };
        stage.begin().await;
        let release = |it: &control::Status| {
            it.services[0].run.as_ref().is_some_and(|run| run.version.is_some())
        };
        let handle = stage.handle();
        tokio::time::timeout(PATIENCE, async {
            while !release(&handle.status().await.unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        stage
    }

    async fn begin(&mut self) {
        let driver: Arc<dyn driver::Driver> = Arc::new(self.driver.clone());
        let settings = Settings {
            clock: self.clock.clone(),
            driver: Box::new(move |_| driver),
            second: Duration::from_millis(10),
            ..settings_without_instances(self.room.path())
        };
        self.controller = Some(control::start(settings).await.unwrap());
    }

    async fn end(&mut self) {
        let controller = self.controller.take().unwrap();
        controller.handle().shutdown(After::Stop).await.unwrap();
        controller.ended().await;
    }

    fn handle(&self) -> Handle {
        self.controller.as_ref().unwrap().handle()
    }

    /// Turns the clock ahead to `past` behind the moment at which the job is due next.
    async fn turn_past_next(&mut self, past: Duration) {
        let next = self.job().await.next.unwrap();
        let now = SystemTime::now() + self.ahead;
        self.ahead += next.duration_since(now).unwrap() + past;
        self.clock.turn(self.ahead);
    }

    async fn job(&self) -> JobStatus {
        self.handle().job("crawl").await.unwrap()
    }

    /// Waits until its latest run is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&JobRun) -> bool) -> JobRun {
        let asked = tokio::time::timeout(PATIENCE, async {
            loop {
                let job = self.job().await;
                if let Some(run) = job.runs.into_iter().next().filter(&wanted) {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        match asked.await {
            Ok(run) => run,
            Err(_) => panic!("waited for: {what}; is: {:#?}", self.job().await),
        }
    }

    /// The process of the run `id`, once it runs.
    async fn process(&self, id: i64) -> Arc<crate::tasks::TaskInstance> {
        let name = format!("api-job-crawl-{id}");
        let named = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = self.driver.named(&name).pop() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        named.await.unwrap_or_else(|_| panic!("{name} never ran"))
    }
}

#[tokio::test]
async fn a_job_is_run_when_it_is_due_and_what_is_missed_in_a_pause_is_told() {
    let mut stage = Stage::start().await;
    assert_eq!(stage.job().await.runs, []);
    stage.turn_past_next(Duration::from_secs(1)).await;
    let run = stage.until("the first run", |_| true).await;
    assert_eq!((run.release.as_deref(), run.outcome), (Some("1"), None));
    stage.process(run.id).await.fails();
    let run = stage.until("its end", |run| run.outcome.is_some()).await;
    assert_eq!((run.outcome, run.code), (Some(JobOutcome::Failed), Some(1)));
    assert_eq!(run.why.as_deref(), Some("it exited with code 1"));

    // Three hours pass at once: nobody was there.
    stage.turn_past_next(2 * HOUR + HOUR / 2).await;
    let missed =
        stage.until("what was missed", |run| run.outcome != Some(JobOutcome::Failed)).await;
    assert_eq!(missed.outcome, Some(JobOutcome::Missed));
    let why = missed.why.unwrap();
    assert!(why.starts_with("it was due 3 times from "), "{why}");

    // The clock goes on, and the job.
    stage.turn_past_next(Duration::from_secs(1)).await;
    let run = stage.until("the next run", |run| run.outcome.is_none()).await;
    stage.process(run.id).await;

    // A restart in the same minute runs it no second time.
    stage.end().await;
    stage.begin().await;
    let cut = stage.until("what became of it", |run| run.outcome.is_some()).await;
    assert_eq!((cut.id, cut.outcome), (run.id, Some(JobOutcome::Interrupted)));
    stage.turn_past_next(Duration::from_secs(1)).await;
    let next = stage.until("the one after", |run| run.outcome.is_none()).await;
    assert_eq!(next.id, run.id + 1);
    stage.process(next.id).await;
    let running = stage.driver.running();
    assert_eq!(running.iter().filter(|name| name.contains("-job-")).count(), 1, "{running:?}");
}

#[tokio::test]
async fn of_two_edges_with_one_store_one_runs_what_is_due_and_none_while_it_is_down() {
    if !is_installed() {
        return;
    }
    let server = RedisServer::start(&[]);
    let store = section(&server);
    let mut edges = [Stage::start_with(&store).await, Stage::start_with(&store).await];
    for edge in &mut edges {
        edge.turn_past_next(Duration::from_secs(1)).await;
    }
    let run = |edges: &[Stage; 2]| {
        let runs = edges.iter().flat_map(|edge| edge.driver.running());
        runs.filter(|name| name.contains("-job-")).count()
    };
    let one = tokio::time::timeout(PATIENCE, async {
        while run(&edges) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    one.await.unwrap();
    // Both look a hundred times a second.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(run(&edges), 1);
    drop(server);
    for edge in &mut edges {
        edge.turn_past_next(Duration::from_secs(1)).await;
        let run = edge.until("what was not run", |run| run.outcome == Some(JobOutcome::Skipped));
        let why = run.await.why.unwrap();
        assert!(why.contains("store is down") || why.contains("goes on"), "{why}");
    }
    assert_eq!(run(&edges), 1);
}

#[tokio::test]
async fn who_asks_by_hand_follows_the_run_and_a_second_one_is_refused() {
    let stage = Stage::start().await;
    let mut following = stage.handle().run_job("crawl", "ann@edge").await.unwrap();
    let again = stage.handle().run_job("crawl", "bob").await;
    assert!(matches!(again, Err(JobError::Busy(_))), "{again:?}");
    assert!(matches!(stage.handle().run_job("crwal", "bob").await, Err(JobError::Unknown { .. })));
    stage.process(following.run).await.fails();
    let ended = following.progress.wait_for(|progress| progress.end.is_some()).await.unwrap();
    let end = ended.end.clone().unwrap();
    assert_eq!(
        (end.who.as_deref(), end.due, end.outcome),
        (Some("ann@edge"), None, Some(JobOutcome::Failed))
    );
}
