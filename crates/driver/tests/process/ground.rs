//! What a test stands on: a directory, a driver, and the certainty that nothing is left behind.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use driver::log::Follow;
use driver::port::Ports;
use driver::{
    Command, Composed, Driver, Environment, Instance, Launch, LaunchError, Launcher, ProcessDriver,
    ProcessLogs, ProcessStart, Started, Stop, StopSignal, StopTo, Upkeep,
};
use rustix::process::{Pid, Signal, kill_process};

/// Marks all processes of a test.
const MARK: &str = "ACTOR_GROUND";
/// No condition is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Ground {
    pub(crate) driver: ProcessDriver,
    directory: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let launcher = launcher(actor(), vec!["launch".into()]);
        let directory = tempfile::tempdir().unwrap();
        let logs = ProcessLogs::of(directory.path());
        Self { driver: ProcessDriver::new(launcher, Ports::default(), logs), directory }
    }

    /// Another launcher from now on.
    pub(crate) fn launch_by(&mut self, launcher: Launcher) {
        let logs = ProcessLogs::of(self.path());
        self.driver = ProcessDriver::new(launcher, Ports::default(), logs);
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What marks this test's processes.
    pub(crate) fn mark(&self) -> (&'static str, String) {
        (MARK, self.path().display().to_string())
    }

    pub(crate) fn launch(&self, command: Command) -> Launch {
        let mut environment: Environment = [self.mark()].into_iter().collect();
        environment.set("PATH", std::env::var_os("PATH").unwrap());
        Launch {
            service: "api".into(),
            instance: "api-1".into(),
            version: "1.4.2".into(),
            composed: Composed::Process(ProcessStart {
                command,
                directory: self.path().to_owned(),
                environment,
                account: None,
            }),
            upkeep: Upkeep { stop: stop(), ..Upkeep::default() },
        }
    }

    pub(crate) async fn start(&self, launch: Launch) -> Result<Arc<dyn Instance>, LaunchError> {
        self.driver.prepare(launch).await?.release().await
    }

    /// Starts a script.
    pub(crate) async fn shell(&self, script: &str) -> Arc<dyn Instance> {
        self.start(self.launch(Command::Shell(script.into()))).await.unwrap()
    }

    /// Starts the actor in one of its parts.
    pub(crate) async fn actor(&self, part: &[&str]) -> Arc<dyn Instance> {
        self.start(self.launch(acting(part))).await.unwrap()
    }

    /// All processes of this test that run.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let (name, value) = self.mark();
        let wanted = format!("{name}={value}");
        let is_ours = |pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes())
        };
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_ours).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let left = self.processes();
        for pid in &left {
            let _ = kill_process(Pid::from_raw(*pid as i32).unwrap(), Signal::KILL);
        }
        if !thread::panicking() {
            assert!(left.is_empty(), "orphans: {left:?}");
        }
    }
}

/// What `launch` starts.
pub(crate) fn process(launch: &mut Launch) -> &mut ProcessStart {
    let Composed::Process(process) = &mut launch.composed else { panic!("it is a process") };
    process
}

/// A launcher whose instances have what the test was started with.
pub(crate) fn launcher(program: PathBuf, arguments: Vec<OsString>) -> Launcher {
    Launcher { program, arguments, started: Started::of_this_process() }
}

/// Asked by SIGTERM, with all the time there is.
pub(crate) fn stop() -> Stop {
    Stop { signal: StopSignal::Term, timeout: PATIENCE, to: StopTo::All }
}

pub(crate) fn actor() -> PathBuf {
    env!("CARGO_BIN_EXE_driver-actor").into()
}

pub(crate) fn acting(part: &[&str]) -> Command {
    let words = std::iter::once(actor().display().to_string());
    Command::Arguments(words.chain(part.iter().map(ToString::to_string)).collect())
}

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("within the test's patience")
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the instance's output has `line`.
pub(crate) async fn said(instance: &dyn Instance, line: &str) {
    let mut follow = follow(instance, 1000);
    while soon(follow.line()).await.unwrap() != line {}
}

/// The last lines that the instance wrote, none of an earlier run, and those to come.
pub(crate) fn follow(instance: &dyn Instance, lines: usize) -> Follow {
    let process = instance.record().identity.process().unwrap();
    Follow::last(&process.log, process.log_start, lines).unwrap()
}
