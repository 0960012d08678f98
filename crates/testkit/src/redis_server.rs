//! A real Redis on a free port, in a directory of its own, ended by its number.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::eventually;

/// A server, or a sentinel, that runs until this is dropped.
pub struct RedisServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    options: Vec<String>,
    directory: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one with these options beside the usual ones; `{port}` in one is its port.
    ///
    /// # Panics
    /// When none starts.
    pub fn start(options: &[&str]) -> Self {
        // Another program may take the port in between: then another port is tried.
        for _ in 0..20 {
            let options = options.iter().map(|it| (*it).to_owned()).collect();
            let directory = tempfile::tempdir().expect("a directory can be made");
            let mut server = Self { port: free_port(), options, directory, child: None };
            if server.begin() {
                return server;
            }
        }
        panic!("no server starts");
    }

    /// Starts a sentinel of this file, which it rewrites.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_sentinel(file: &Path) -> Self {
        Self::start(&[file.to_str().expect("its name is text"), "--sentinel"])
    }

    /// Starts it (again), and says whether it listens.
    ///
    /// # Panics
    /// When it neither listens nor ends.
    pub fn begin(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        // A sentinel has its file first, and saves nothing.
        let is_sentinel = self.options.iter().any(|it| it == "--sentinel");
        let own = if is_sentinel { self.options.drain(..1).collect() } else { Vec::new() };
        command.args(own).args(["--bind", "127.0.0.1"]);
        if !is_sentinel {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        if !self.options.iter().any(|it| it == "--tls-port") {
            command.arg("--port").arg(self.port.to_string());
        }
        command.args(self.options.iter().map(|it| it.replace("{port}", &self.port.to_string())));
        command.current_dir(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program can be started");
        let mut listens = false;
        eventually("it listens, or has ended", || {
            listens = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            listens || child.try_wait().expect("it can be waited for").is_some()
        });
        let is_its_own = child.try_wait().expect("it can be waited for").is_none();
        self.child = Some(child);
        listens && is_its_own
    }

    /// Ends it, without a chance to do anything more.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it can be waited for");
        }
    }

    /// Sends it this signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("it is a process"), signal).expect("it is ours");
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What redis-cli prints for these words.
    ///
    /// # Panics
    /// When redis-cli cannot be started.
    pub fn cli(&self, words: &[&str]) -> String {
        redis_cli(self.port, words)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// What redis-cli prints for these words of the server on this port.
///
/// # Panics
/// When redis-cli cannot be started.
pub fn redis_cli(port: u16, words: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-p", &port.to_string()]).args(words).output();
    let output = output.expect("the program can be started");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A port that was free a moment ago.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let bound = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    bound.local_addr().expect("it has one").port()
}
