//! A real Docker engine in a network of its own: no address, no rule of this machine's firewall is touched by it. A test that is to
//! reach what it publishes enters that network.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::has;

/// What an engine needs of this machine, beside root.
const PROGRAMS: [&str; 8] =
    ["dockerd", "docker", "busybox", "ip", "nsenter", "setpriv", "unshare", "tar"];
/// How long it may take to begin, to end, or to do what it is told.
const PATIENCE: Duration = Duration::from_secs(60);
/// What it leaves in /run goes with its namespace.
const HOLD: &str = "mount -t tmpfs tmpfs /run; ip link set lo up; echo ready; exec sleep infinity";

/// An engine that runs until this is dropped, with all that it runs.
pub struct DockerEngine {
    place: TempDir,
    holder: Child,
    daemon: Option<Child>,
    network: File,
}

/// What an image is made of.
#[derive(Clone, Debug, Default)]
pub struct Image<'a> {
    /// Programs, each with where it is within, beside a busybox in /bin: with the libraries that they need.
    pub programs: &'a [(&'a Path, &'a str)],
    /// What the engine is told of it, as in a Dockerfile: `CMD ["/bin/server"]`.
    pub changes: &'a [&'a str],
    /// Whether it has a shell.
    pub shell: Shell,
}

/// Whether an image has a shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shell {
    /// A busybox, by all of its names that a test needs.
    #[default]
    Busybox,
    /// None at all.
    Missing,
}

impl DockerEngine {
    /// Starts one; `None`, with a word, where this machine lacks what it needs.
    ///
    /// # Panics
    /// When it does not start, and with `PLIMSOLL_REQUIRE=1` where something is missing.
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    pub fn start() -> Option<Self> {
        if !has(&PROGRAMS) {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            let is_required = std::env::var_os("PLIMSOLL_REQUIRE").is_some_and(|it| it == "1");
            assert!(!is_required, "an engine needs root");
            eprintln!("skipped: an engine needs root");
            return None;
        }
        let place = tempfile::Builder::new().prefix("plimsoll-docker-").tempdir_in("/tmp");
        let place = place.expect("a directory can be made");
        let mut holder = hold();
        let network = File::open(format!("/proc/{}/ns/net", holder.id()));
        let Ok(network) = network else {
            let _ = holder.kill();
            panic!("a process has a network");
        };
        let mut engine = Self { place, holder, daemon: None, network };
        engine.begin();
        Some(engine)
    }

    /// Starts the daemon (again), and waits until it responds.
    ///
    /// # Panics
    /// When it does not.
    pub fn begin(&mut self) {
        let place = self.place.path();
        let name = self.name();
        let log = File::options().append(true).create(true).open(place.join("log"));
        let log = log.expect("a file can be made");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "nsenter", "--target", &self.holder.id().to_string()]);
        command.args(["--net", "--mount", "dockerd", "--oom-score-adjust", "0"]);
        command.args(["--iptables=false", "--ip-forward=false", "--ip-masq=false"]);
        command.args(["--bip", "172.30.0.1/24", "--shutdown-timeout", "2"]);
        command.args(["--default-address-pool", "base=172.31.0.0/16,size=24"]);
        command.arg(format!("--cgroup-parent=/{name}"));
        for (option, file) in [
            ("host=unix://", "docker.sock"),
            ("data-root=", "data"),
            ("exec-root=", "run"),
            ("pidfile=", "pid"),
        ] {
            command.arg(format!("--{option}{}", place.join(file).display()));
        }
        // Where it is looked for by whoever is on its host.
        command.arg("--host=unix:///var/run/docker.sock");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("it is open")).stderr(log);
        self.daemon = Some(command.spawn().expect("the program can be started"));
        self.until("the engine responds", |engine| {
            let ended = engine.daemon.as_mut().expect("it was started").try_wait();
            assert!(ended.expect("it is ours").is_none(), "dockerd ended: {}", engine.log());
            engine.try_docker(&["version"]).status.success()
        });
    }

    fn name(&self) -> String {
        let name = self.place.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// What `DOCKER_HOST` has to be.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The process that holds its namespaces.
    pub(crate) fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.place.path().join("docker.sock")
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// From now on this thread, and what it starts, is in the engine's network, where what is published is reached.
    ///
    /// # Panics
    /// When the system does not let it.
    pub fn enter(&self) {
        move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may do so");
    }

    /// What `docker` prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn docker(&self, words: &[&str]) -> String {
        let output = self.try_docker(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {words:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs `docker`, to whatever end.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn try_docker(&self, words: &[&str]) -> Output {
        self.command("docker").args(words).output().expect("the program can be started")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.place.path().join("config"));
        command.stdin(Stdio::null());
        command
    }

    /// Makes an image of this name: its id.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn import(&self, name: &str, image: &Image<'_>) -> String {
        let root = TempDir::new_in(self.place.path()).expect("a directory can be made");
        if image.shell == Shell::Busybox {
            add(Path::new("/bin/busybox"), "/bin/busybox", root.path());
            for applet in ["sh", "sleep", "cat", "httpd", "echo", "kill", "wget", "nc"] {
                std::os::unix::fs::symlink("busybox", root.path().join("bin").join(applet))
                    .expect("a link can be made");
            }
        }
        for (program, within) in image.programs {
            add(program, within, root.path());
        }
        for directory in ["tmp", "etc"] {
            std::fs::create_dir_all(root.path().join(directory)).expect("a directory can be made");
        }
        let changes: String = image.changes.iter().map(|it| format!(" -c '{it}'")).collect();
        let script =
            format!("tar -c -C {} . | docker import{changes} - {name}", root.path().display());
        let made = self.command("sh").args(["-ec", &script]).output();
        let made = made.expect("the program can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
    }

    /// Ends the daemon without a chance to do anything more; what it runs goes on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.kill().expect("it is ours");
        daemon.wait().expect("it can be waited for");
        // Its containerd dies with it, and where nobody reaps that its number would be taken for one that runs.
        let number = self.place.path().join("run/containerd/containerd.pid");
        let pid = std::fs::read_to_string(&number).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = std::fs::remove_file(number);
    }

    /// Sends the daemon this signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill_process(Pid::from_child(daemon), signal).expect("it is ours");
    }

    /// All containers that there are, by their names.
    pub fn containers(&self) -> Vec<String> {
        let names = self.docker(&["ps", "--all", "--format", "{{.Names}}"]);
        let mut names: Vec<_> = names.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "still not so: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that holds the namespaces of an engine.
pub(crate) fn hold() -> Child {
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--net",
        "--mount",
        "--propagation",
        "private",
    ]);
    command.args(["sh", "-ec", HOLD]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut holder = command.spawn().expect("the program can be started");
    let mut said = [0; 6];
    let output = holder.stdout.as_mut().expect("it is piped");
    std::io::Read::read_exact(output, &mut said).expect("namespaces can be made");
    holder
}

/// Puts a program into an image's root, with the libraries that it needs.
fn add(program: &Path, within: &str, root: &Path) {
    let copy = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to.parent().unwrap_or(root)).expect("a directory can be made");
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    copy(program, &root.join(within.trim_start_matches('/')));
    let needs = Command::new("ldd").arg(program).output().expect("the program can be started");
    for word in String::from_utf8_lossy(&needs.stdout).split_whitespace() {
        if word.starts_with('/') && Path::new(word).is_file() {
            copy(Path::new(word), &root.join(word.trim_start_matches('/')));
        }
    }
}

impl Drop for DockerEngine {
    fn drop(&mut self) {
        let running = self.try_docker(&["ps", "--all", "--quiet"]);
        let running = String::from_utf8_lossy(&running.stdout).into_owned();
        let ids: Vec<_> = running.split_whitespace().collect();
        if !ids.is_empty() {
            self.try_docker(&[&["rm", "--force", "--volumes"], &*ids].concat());
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = kill_process(Pid::from_child(&daemon), Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while matches!(daemon.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        // Where the daemon had died, what it had started runs on.
        kill_shims(self.place.path());
        end_groups(&self.name());
    }
}

/// Kills the programs that hold containers for an engine at `place`, which is in their arguments and in nobody else's.
fn kill_shims(place: &Path) {
    let place = place.to_string_lossy().into_owned();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_shim = arguments
            .split(|byte| *byte == 0)
            .next()
            .is_some_and(|program| String::from_utf8_lossy(program).contains("containerd-shim"));
        if is_shim && String::from_utf8_lossy(&arguments).contains(&place) {
            kill(&entry.file_name().to_string_lossy());
        }
    }
}

/// Kills whatever is left in the control groups of an engine, and removes them.
fn end_groups(name: &str) {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten();
    let groups = hierarchies.map(|entry| entry.path().join(name)).chain([root.join(name)]);
    for group in groups.filter(|group| group.is_dir()) {
        let children = std::fs::read_dir(&group).into_iter().flatten().flatten();
        let children = children.map(|entry| entry.path()).filter(|path| path.is_dir());
        for child in children.chain([group.clone()]) {
            let members = std::fs::read_to_string(child.join("cgroup.procs")).unwrap_or_default();
            members.lines().for_each(kill);
            // It is empty as soon as they are gone.
            let deadline = Instant::now() + Duration::from_secs(5);
            while std::fs::remove_dir(&child).is_err()
                && child.is_dir()
                && Instant::now() < deadline
            {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Kills the process of this number, if it is one and still there.
fn kill(number: &str) {
    if let Some(pid) = number.trim().parse().ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}
