//! Other hosts: each a network of its own with a Docker engine and a real sshd in it, reached from a network of the test's. No address
//! of this machine is used, and no key or configuration of its user.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::docker_engine::{self, DockerEngine};
use crate::has;

/// What they need beside what engines do.
const PROGRAMS: [&str; 3] = ["ssh", "ssh-keygen", "sshd"];
const SSHD: &str = "/usr/sbin/sshd";
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hosts that run until this is dropped, with all that is on them.
pub struct SshHosts {
    hosts: Vec<Host>,
    holder: Child,
    network: File,
    place: TempDir,
}

/// One of them.
struct Host {
    engine: DockerEngine,
    server: Child,
    address: String,
    /// Our end of the link to it.
    link: String,
}

impl SshHosts {
    /// Starts so many, at most nine; `None`, with a word, where this machine lacks what they need.
    ///
    /// # Panics
    /// When one does not start, and with `PLIMSOLL_REQUIRE=1` where something is missing.
    pub fn start(count: usize) -> Option<Self> {
        if !has(&PROGRAMS) {
            return None;
        }
        let engines: Option<Vec<_>> = (0..count).map(|_| DockerEngine::start()).collect();
        let engines = engines?;
        let place = tempfile::Builder::new().prefix("plimsoll-ssh-").tempdir_in("/tmp");
        let place = place.expect("a directory can be made");
        let holder = docker_engine::hold();
        let network = File::open(format!("/proc/{}/ns/net", holder.id()));
        let network = network.expect("a process has a network");
        make_keys(place.path());
        let mut hosts = Self { hosts: Vec::new(), holder, network, place };
        for (number, engine) in (1..).zip(engines) {
            let host = hosts.begin(number, engine);
            hosts.hosts.push(host);
        }
        hosts.make_client();
        hosts.until_all_listen();
        Some(hosts)
    }

    fn begin(&self, number: usize, engine: DockerEngine) -> Host {
        let (ours, there) = (self.holder.id().to_string(), engine.holder().to_string());
        let (link, address) = (format!("host{number}"), format!("10.77.{number}.2"));
        let script = format!(
            "nsenter --target {ours} --net ip link add {link} type veth peer name eth0 netns {there}
             nsenter --target {ours} --net ip address add 10.77.{number}.1/24 dev {link}
             nsenter --target {ours} --net ip link set {link} up
             nsenter --target {there} --net ip address add {address}/24 dev eth0
             nsenter --target {there} --net ip link set eth0 up
             nsenter --target {there} --mount mkdir -p /run/sshd"
        );
        sh(&script);
        let place = self.place.path();
        let configuration = place.join(format!("sshd{number}"));
        let text = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nStrictModes no\n",
            place.join("host-key").display(),
            place.join("key.pub").display()
        );
        fs::write(&configuration, text).expect("a file can be made");
        let log = File::create(place.join(format!("sshd{number}.log")));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter", "--target", &there, "--net", "--mount"]);
        command.args([SSHD, "-D", "-e", "-f"]).arg(&configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a file can be made"));
        let server = command.spawn().expect("the program can be started");
        Host { engine, server, address, link }
    }

    /// An `ssh` that has these keys and knows these hosts, and nothing of this machine's user.
    fn make_client(&self) {
        let place = self.place.path();
        let key = fs::read_to_string(place.join("host-key.pub")).expect("it was made");
        let known = |host: &Host| format!("{} {key}", host.address);
        let known: String = self.hosts.iter().map(known).collect();
        fs::write(place.join("known-hosts"), known).expect("a file can be made");
        let text = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\n",
            place.join("key").display(),
            place.join("known-hosts").display()
        );
        let configuration = place.join("config");
        fs::write(&configuration, text).expect("a file can be made");
        let program = self.programs().join("ssh");
        fs::create_dir(self.programs()).expect("a directory can be made");
        let script =
            format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", configuration.display());
        fs::write(&program, script).expect("a file can be made");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    fn until_all_listen(&self) {
        let deadline = Instant::now() + PATIENCE;
        for host in &self.hosts {
            while !self.ssh(&host.name()) {
                assert!(Instant::now() < deadline, "{} lets nobody in", host.address);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Whether a host lets us in.
    fn ssh(&self, host: &str) -> bool {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--net"]);
        command.arg(self.programs().join("ssh")).args(["-o", "BatchMode=yes", host, "true"]);
        let output = command.stdin(Stdio::null()).output().expect("the program can be started");
        output.status.success()
    }

    /// From now on this thread, and what it starts, is in the network from which the hosts are reached.
    ///
    /// # Panics
    /// When the system does not let it.
    pub fn enter(&self) {
        move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may do so");
    }

    /// Where the `ssh` is that reaches them, for the front of a `PATH`.
    pub fn programs(&self) -> PathBuf {
        self.place.path().join("bin")
    }

    /// How ssh is told of them.
    pub fn names(&self) -> Vec<String> {
        self.hosts.iter().map(Host::name).collect()
    }

    /// The engine of a host, the first being 0.
    ///
    /// # Panics
    /// When there is no such host.
    pub fn engine(&mut self, host: usize) -> &mut DockerEngine {
        &mut self.hosts[host].engine
    }

    /// Gives all others the images of these names that the first has: the very same ones.
    ///
    /// # Panics
    /// When that fails.
    pub fn share_images(&self, names: &[&str]) {
        let Some((first, others)) = self.hosts.split_first() else { return };
        for other in others {
            sh(&format!(
                "docker --host {} save {} | docker --host {} load",
                first.engine.host(),
                names.join(" "),
                other.engine.host()
            ));
        }
    }

    /// Takes a host off the network, with all that is on it.
    pub fn cut(&self, host: usize) {
        self.set_link(host, "down");
    }

    /// Puts it back.
    pub fn join(&self, host: usize) {
        self.set_link(host, "up");
    }

    fn set_link(&self, host: usize, state: &str) {
        let (ours, link) = (self.holder.id(), &self.hosts[host].link);
        sh(&format!("nsenter --target {ours} --net ip link set {link} {state}"));
    }
}

impl Host {
    fn name(&self) -> String {
        format!("root@{}", self.address)
    }
}

fn make_keys(place: &Path) {
    for name in ["key", "host-key"] {
        sh(&format!("ssh-keygen -q -t ed25519 -N '' -f {}", place.join(name).display()));
    }
}

/// Runs a script to its end.
fn sh(script: &str) {
    let ended = Command::new("sh").args(["-ec", script]).stdin(Stdio::null()).output();
    let ended = ended.expect("the program can be started");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{script}: {errors}");
}

impl Drop for SshHosts {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            let _ = kill_process(Pid::from_child(&host.server), Signal::TERM);
            let _ = host.server.wait();
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
