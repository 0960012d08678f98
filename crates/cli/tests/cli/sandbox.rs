//! A directory with a configuration, and the program in it, away from the user's own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;

/// Long enough for anything that happens at all.
const DEADLINE: Duration = Duration::from_secs(20);

/// A directory with a configuration.
pub(crate) struct Sandbox {
    dir: TempDir,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A `plimsoll run`. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Where its only listener is.
    pub(crate) address: SocketAddr,
}

impl Sandbox {
    /// With `configuration` as its plimsoll.toml, below settings that every test needs.
    pub(crate) fn new(configuration: &str) -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        sandbox.write(configuration);
        sandbox
    }

    /// One listener, one service `api` at `targets`, one route.
    pub(crate) fn serving(targets: &[SocketAddr]) -> Self {
        Self::new(&serving(targets))
    }

    /// Changes the configuration.
    pub(crate) fn write(&self, configuration: &str) {
        let settings = "[server]\nstate_dir = \"state\"\nworkers = 1\n";
        let text = format!("{settings}{configuration}");
        std::fs::write(self.dir.path().join("plimsoll.toml"), text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The processes of the instances that were started in it, or below it.
    pub(crate) fn instances(&self) -> Vec<u32> {
        let directory = self.path().canonicalize().unwrap();
        let is_ours = |pid: &u32| {
            let place = std::fs::read_link(format!("/proc/{pid}/cwd"));
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            place.is_ok_and(|place| place.starts_with(&directory))
                && variables.any(|variable| variable.starts_with(b"PLIMSOLL_RUN="))
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut pids: Vec<u32> = pids.filter(is_ours).collect();
        pids.sort_unstable();
        pids
    }

    /// Runs `plimsoll` with these arguments until it ends.
    pub(crate) fn plimsoll(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        self.ended(output)
    }

    /// Starts `plimsoll run` and waits until it listens.
    pub(crate) fn run(&self) -> Running {
        self.start(self.command(&["run"]))
    }

    /// The same, with more arguments.
    pub(crate) fn run_with(&self, arguments: &[&str]) -> Running {
        self.start(self.command(&[&["run"], arguments].concat()))
    }

    /// The same, with one more variable in its environment.
    pub(crate) fn run_with_variable(&self, name: &str, value: impl AsRef<OsStr>) -> Running {
        let mut command = self.command(&["run"]);
        command.env(name, value);
        self.start(command)
    }

    /// The same, with no more than so many descriptors.
    pub(crate) fn run_with_descriptors(&self, count: usize) -> Running {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_plimsoll");
        command.args(["-c", &format!("ulimit -n {count} && exec {program} run")]);
        command.current_dir(self.path()).stdin(Stdio::null());
        self.start(command)
    }

    /// The same, where no file can be written beyond so many KiB.
    pub(crate) fn run_with_files_of(&self, kib: usize) -> Running {
        let program = env!("CARGO_BIN_EXE_plimsoll");
        // In units of 512 bytes, as POSIX has it. What is over is refused instead of punished.
        let script = format!("trap '' XFSZ && ulimit -S -f {} && exec {program} run", 2 * kib);
        let mut command = self.command(&[]);
        let environment: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = Command::new("sh");
        command.args(["-c", &script]).env_clear().envs(environment);
        command.current_dir(self.path()).stdin(Stdio::null());
        self.start(command)
    }

    /// The same, by a script for `sh`.
    pub(crate) fn run_by_shell(&self, script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.path()).stdin(Stdio::null());
        self.start(command)
    }

    /// What Plimsoll keeps in SQLite.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path().join("state/journal.db")
    }

    /// Starts what serves by this command, and waits until it listens.
    pub(crate) fn start(&self, mut command: Command) -> Running {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let address = ([0, 0, 0, 0], 0).into();
        let mut running = Running { child, lines, address };
        // As text or as JSON.
        let address = loop {
            let line = running.wait_for("listening on");
            if let Some(rest) = line.split("http://").nth(1) {
                break rest.split([' ', '"']).next().unwrap().to_owned();
            }
        };
        running.address = address.parse().unwrap();
        running
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        // What instances are run with.
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null());
        command
    }

    /// What differs from run to run is replaced.
    pub(crate) fn ended(&self, output: Output) -> Ended {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(self.path().to_str().unwrap(), "SANDBOX")
        };
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Ended { code: output.status.code(), stdout, stderr }
    }
}

impl Drop for Sandbox {
    /// Instances outlive whoever started them, but not their test.
    fn drop(&mut self) {
        for pid in self.instances() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
            // It may have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Running {
    /// Waits for a line of its log that has `part`.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line with `{part}` ({error}), but {seen:#?}"),
            }
        }
    }

    /// What its log has said since one asked last.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets it write files up to so many bytes, or all.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, ..getrlimit(Resource::Fsize) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; gives the signal that ended it.
    pub(crate) fn wait_for_signal(&mut self) -> Option<i32> {
        self.wait();
        self.child.wait().unwrap().signal()
    }

    /// Waits for its end; gives its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        // Its end closes its log.
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
        self.child.wait().unwrap().code()
    }

    /// Sends a request for `path`.
    pub(crate) fn ask(&self, path: &str) -> TcpStream {
        self.ask_with(path, "")
    }

    fn ask_with(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// The whole answer to a request for `path`.
    pub(crate) fn get(&self, path: &str) -> String {
        read(self.ask(path))
    }

    /// The same, with these headers.
    pub(crate) fn get_with(&self, path: &str, headers: &str) -> String {
        read(self.ask_with(path, headers))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything up to the stream's end.
pub(crate) fn read(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// One listener, one service `api` at `targets`, one route.
pub(crate) fn serving(targets: &[SocketAddr]) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    format!(
        "drain = \"15s\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [services.api]\ntargets = [{}]\n[[routes]]\nto = \"api\"\n",
        targets.join(", ")
    )
}
