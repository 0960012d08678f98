//! A running `plimsoll` with a service of instances that are this test program, and what can be
//! done to it.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::ClientConfig;
use serde_json::Value;
use testkit::RawClient;
use testkit::tls::Authority;

use super::instance;
use crate::sandbox::{Ended, Running, Sandbox};

const ACCESS_LOG: &str = "access.log";

/// Longer than anything takes that is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) struct House {
    /// Ends first: it would start others in the place of instances that the sandbox ends.
    pub(super) running: Running,
    pub(super) sandbox: Sandbox,
    authority: Authority,
    text: String,
    reloads: usize,
}

impl House {
    /// With a service `api` of release `1`, and `more` said of it. Its first release serves.
    pub(super) fn new(more: &str) -> Self {
        let authority = Authority::default();
        let sandbox = Sandbox::new("");
        let wire::tls::Files { cert, key } = authority.issue(&["test"]);
        let text = format!(
            "drain = \"15s\"\n[log]\naccess = \"access.log\"\n\
             [listeners.web]\nbind = \"127.0.0.1:0\"\nlimits = {{ body = \"50MiB\" }}\n\
             [listeners.secure]\nbind = \"127.0.0.1:0\"\n\
             tls = {{ certificates = [{{ cert = {cert:?}, key = {key:?} }}] }}\n\
             [[routes]]\nto = \"api\"\n\
             [services.api]\n{}version = \"1\"\n\
             health = {{ path = \"/health\", interval = \"100ms\" }}\n\
             queue = {{ length = 10000, timeout = \"30s\" }}\nstop = {{ timeout = \"3s\" }}\n{more}",
            instance::configuration(&sandbox.path().join("journal"))
        );
        sandbox.write(&text);
        let running = sandbox.run();
        let house = Self { sandbox, running, authority, text, reloads: 0 };
        house.settled();
        house
    }

    /// Where instances write what they begin to work on.
    pub(super) fn journal(&self) -> PathBuf {
        self.sandbox.path().join("journal")
    }

    pub(super) fn secure(&self) -> SocketAddr {
        let status = self.status();
        let listeners = status["listeners"].as_array().unwrap();
        let secure = listeners.iter().find(|it| it["name"] == "secure").unwrap();
        secure["addresses"][0].as_str().unwrap().parse().unwrap()
    }

    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::new(self.authority.client(&[]))
    }

    pub(super) fn status(&self) -> Value {
        serde_json::from_str(&self.sandbox.plimsoll(&["status", "--json"]).stdout).unwrap()
    }

    /// The words of `plimsoll status --json` on the service.
    pub(super) fn service(&self) -> Value {
        self.status()["services"][0].clone()
    }

    /// Waits until `condition` holds of the service.
    pub(super) fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let service = self.service();
            if condition(&service) {
                return service;
            }
            assert!(Instant::now() < deadline, "waited for {what}: {service:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until one release runs and no deploy does; says which.
    pub(super) fn settled(&self) -> String {
        let service = self.until("one release alone", |service| {
            let release = &service["run"]["release"];
            let mut instances = service["instances"].as_array().unwrap().iter();
            instances.len() > 0
                && instances.all(|it| it["release"] == *release && it["state"] == "healthy")
                && service["run"]["deploy"].is_null()
                && service["run"]["waiting"].as_array().unwrap().is_empty()
        });
        service["run"]["release"].as_str().unwrap().to_owned()
    }

    /// Kills it as it stands, and starts it again with these arguments.
    pub(super) fn restart_with(&mut self, arguments: &[&str]) {
        self.kill();
        self.running = self.sandbox.run_with(arguments);
    }

    /// Kills it as it stands, and starts it again to see it crash at once.
    pub(super) fn start_and_end(&mut self, arguments: &[&str]) {
        self.kill();
        let ended = self.sandbox.plimsoll(&[&["run"], arguments].concat());
        assert_eq!(ended.code, None, "{ended:#?}");
    }

    /// The same, where no more than the first KiB of a file can be written: the journal not at all.
    pub(super) fn restart_without_writing(&mut self) {
        self.kill();
        self.running = self.sandbox.run_with_files_of(1);
    }

    /// The same, where no file grows over the size that the journal has. As on a full disk it can be
    /// written only where it is the disk's no more; other files have some room left.
    pub(super) fn restart_on_a_full_disk(&mut self) {
        self.kill();
        let size = std::fs::metadata(self.sandbox.journal()).unwrap().len();
        // What is lost of the access log cannot say why a request failed: it begins anew.
        let log = self.sandbox.path().join(ACCESS_LOG);
        let mut before = File::options();
        let before = before.create(true).append(true).open(log.with_extension("before"));
        before.unwrap().write_all(&std::fs::read(&log).unwrap()).unwrap();
        std::fs::remove_file(log).unwrap();
        self.running = self.sandbox.run_with_files_of(size as usize / 1024);
    }

    /// Kills it as it stands.
    pub(super) fn kill(&mut self) {
        if !self.running.has_ended() {
            self.running.signal(Signal::KILL);
        }
        self.running.wait();
    }

    /// What the access log says of requests that failed.
    pub(super) fn failures(&self) -> String {
        let log = self.sandbox.path().join(ACCESS_LOG);
        let logs = [log.with_extension("before"), log];
        let log: String = logs.iter().filter_map(|log| std::fs::read_to_string(log).ok()).collect();
        let is_failure = |line: &&str| line.contains(" status=5");
        log.lines().filter(is_failure).collect::<Vec<_>>().join("\n")
    }

    /// The deploys that were, the latest first.
    pub(super) fn history(&self) -> Vec<Value> {
        let history = self.done(&["history", "api", "--json"]).stdout;
        let history: Value = serde_json::from_str(&history).unwrap();
        history["deploys"].as_array().unwrap().clone()
    }

    /// What was meant and what is there agree: one release alone, each instance a process and each
    /// process an instance, every deploy over. Says which release.
    pub(super) fn is_in_order(&self, instances: usize) -> String {
        let release = self.settled();
        let service = self.service();
        assert_eq!(service["instances"].as_array().unwrap().len(), instances, "{service:#}");
        assert_eq!(self.sandbox.instances().len(), instances, "an orphan: {service:#}");
        for deploy in self.history() {
            let lines = deploy["receipt"]["lines"].as_array();
            let last = lines.and_then(|lines| lines.last());
            assert!(last.is_some(), "it has no receipt: {deploy:#}");
            if deploy["outcome"] == "interrupted" {
                assert_eq!(last.unwrap()["event"], "cut-short", "{deploy:#}");
            }
        }
        release
    }

    /// Its only instance is killed, and another serves.
    pub(super) fn loses_its_instance(&self) {
        self.settled();
        let [pid] = self.sandbox.instances()[..] else { panic!("there is one") };
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        // That it ended may be noticed a while after it did.
        self.until("another one", |_| matches!(self.sandbox.instances()[..], [it] if it != pid));
        self.settled();
        assert_eq!(self.sandbox.instances().len(), 1);
        assert!(self.running.get("/").ends_with("hello"));
    }

    /// What the instance that answers was given.
    pub(super) fn mark(&self) -> String {
        let answer = RawClient::connect(self.running.address).get("/");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.field("x-mark").unwrap().to_owned()
    }

    /// Takes a changed file up.
    pub(super) fn reload(&mut self) {
        self.reloads += 1;
        let route =
            format!("[[routes]]\npath = \"/r{}\"\nrespond = {{ status = 204 }}\n", self.reloads);
        self.sandbox.write(&format!("{}{route}", self.text));
        self.done(&["reload"]);
    }

    /// Takes the file up with another word in place of one. What is said to that.
    pub(super) fn change(&mut self, before: &str, after: &str) -> String {
        assert!(self.text.contains(before), "{}", self.text);
        self.text = self.text.replace(before, after);
        self.sandbox.write(&self.text);
        self.done(&["reload"]).stdout
    }

    /// Takes the service out of the file.
    pub(super) fn take_out(&self) {
        let before = self.text.split("[services.api]").next().unwrap();
        self.sandbox.write(&before.replace("to = \"api\"", "respond = { status = 204 }"));
        self.done(&["reload"]);
    }

    /// Runs a command that has to succeed.
    pub(super) fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.sandbox.plimsoll(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:#?}");
        ended
    }

    /// Deploys, waits for the end, and gives the exit code and the receipt.
    pub(super) fn deploy(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let ended = self.sandbox.plimsoll(&[&["deploy", "api"], arguments, &["--json"]].concat());
        let last = ended.stdout.lines().last().unwrap_or_default();
        let receipt = serde_json::from_str(last);
        (ended.code, receipt.unwrap_or_else(|error| panic!("{error}: {ended:#?}")))
    }

    /// The same, for a deploy that has to succeed and to be seen by nobody.
    pub(super) fn promoted(&self, arguments: &[&str]) {
        let (code, receipt) = self.deploy(arguments);
        assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
        assert_eq!(receipt["failed"], 0, "{receipt:#}");
    }
}
