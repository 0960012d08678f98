//! A condition that a real Prometheus decides, which reads what Plimsoll itself counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::deploy::{Visitors, begin, deploy, receipt, run, sandbox, until};

/// Nothing that is waited for takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a step needs: somebody comes, and gets what they came for. Of a time of which too little is known it has no value.
const QUERY: &str = "sum(rate(plimsoll_requests_total{service=\"{service}\",class=\"2xx\"}[2s]))";

/// A Prometheus in a directory, ended when it is dropped.
struct Prometheus {
    child: Child,
    directory: PathBuf,
    address: SocketAddr,
}

impl Prometheus {
    /// Reads `/metrics` of the socket four times a second.
    fn start(directory: &Path, socket: &Path) -> Self {
        let exporter = exporter(socket.to_owned());
        let file = format!(
            "global: {{ scrape_interval: 250ms, scrape_timeout: 250ms }}\n\
             scrape_configs: [{{ job_name: plimsoll, static_configs: [{{ targets: ['{exporter}'] }}] }}]\n"
        );
        std::fs::write(directory.join("prometheus.yml"), file).unwrap();
        // Free until a moment ago; another may take it in between, and then the next one is tried.
        loop {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let directory = directory.to_owned();
            let mut prometheus = Self { child: spawn(&directory, free), directory, address: free };
            if prometheus.is_up() {
                return prometheus;
            }
        }
    }

    /// Waits until it responds; false if it has ended before.
    fn is_up(&mut self) -> bool {
        let deadline = Instant::now() + DEADLINE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "Prometheus does not respond");
            if ask(self.address, "/-/ready").is_some_and(|it| it.starts_with("HTTP/1.1 200")) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Waits until a query, which needs no escapes, has a value.
    fn knows(&self, query: &str) {
        let target = format!("/api/v1/query?query={query}");
        let deadline = Instant::now() + DEADLINE;
        loop {
            let told = ask(self.address, &target).unwrap_or_default();
            if told.contains("\"value\":[") {
                return;
            }
            assert!(Instant::now() < deadline, "it knows nothing: {told}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Comes back where it was, with what it knew.
    fn come_back(&mut self) {
        self.child = spawn(&self.directory, self.address);
        assert!(self.is_up(), "another has taken its port");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(directory: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new("prometheus");
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus-data"]);
    command.arg(format!("--web.listen-address={address}"));
    command.current_dir(directory).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The head and body of what is responded, if anything is.
fn ask(address: SocketAddr, target: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: p\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// `/metrics` of the admin socket, on a free port.
fn exporter(socket: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let socket = socket.clone();
            std::thread::spawn(move || relay(stream, &socket));
        }
    });
    address
}

/// What a scraper is told, or nothing where Plimsoll has ended.
fn relay(mut scraper: TcpStream, socket: &Path) -> Option<()> {
    let (mut head, mut bytes) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        let read = scraper.read(&mut bytes).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&bytes[..read]);
    }
    let mut plimsoll = UnixStream::connect(socket).ok()?;
    let request = b"GET /metrics HTTP/1.1\r\nhost: plimsoll\r\nconnection: close\r\n\r\n";
    plimsoll.write_all(request).ok()?;
    std::io::copy(&mut plimsoll, &mut scraper).ok().map(drop)
}

/// What the receipt says of the condition, in its order.
fn said(receipt: &Value) -> Vec<String> {
    let lines = receipt["lines"].as_array().unwrap().iter();
    let lines = lines.filter(|line| line["event"] == "condition");
    lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_real_prometheus_decides_on_a_step_and_while_it_is_down_the_deploy_waits() {
    if !testkit::has(&["prometheus"]) {
        return;
    }
    let sandbox = sandbox("[services.api.deploy]\nbake = \"0s\"\nstrategy = \"canary\"\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let socket = sandbox.path().join("state/admin.sock");
    let mut prometheus = Prometheus::start(sandbox.path(), &socket);
    prometheus.knows("rate(plimsoll_requests_total[2s])");
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let condition = format!(
        "{text}[[services.api.deploy.conditions]]\nname = \"visitors\"\nevery = \"1s\"\n\
         prometheus = \"http://{}\"\nquery = {QUERY:?}\nmin = 5\n",
        prometheus.address
    );
    std::fs::write(&file, condition).unwrap();

    let steps = ["--steps", "50% 2s"];
    let (code, held) = deploy(&sandbox, &[&["2"], &steps[..]].concat());
    assert_eq!(code, Some(0), "{held:#}");
    let words = said(&held);
    assert!(!words.is_empty() && words.iter().all(|it| !it.contains("<")), "{words:?}");

    // In the middle of a step it ends; the deploy waits for it.
    let how = ["deploy", "api", "3", "--no-wait", "--steps", "50% 2s"];
    assert_eq!(sandbox.plimsoll(&how).code, Some(0));
    until(&sandbox, "the step", |service| service["run"]["deploy"]["stage"] == "at 50 %");
    prometheus.end();
    let service =
        until(&sandbox, "the pause", |service| service["run"]["deploy"]["is_paused"] == true);
    assert_eq!(service["run"]["release"], "2", "{service:#}");
    prometheus.come_back();
    until(&sandbox, "the promotion", |service| {
        service["run"]["release"] == "3" && service["run"]["deploy"].is_null()
    });
    let history = sandbox.plimsoll(&["history", "api", "--json"]).stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    let words = said(&history["deploys"][0]["receipt"]);
    assert!(words.iter().any(|it| it.contains("not known")), "{words:?}");
    assert!(words.last().is_some_and(|it| !it.contains("not known")), "{words:?}");

    // Nobody comes any more.
    assert_eq!(visitors.leave().failed(), 0);
    let fallen = sandbox.plimsoll(&["deploy", "api", "4", "--steps", "50% 10m", "--json"]);
    let fallen = receipt(&fallen);
    assert_eq!(fallen["outcome"], "rolled-back", "{fallen:#}");
    let reason = fallen["reason"].as_str().unwrap();
    assert!(reason.starts_with("condition visitors: ") && reason.ends_with(" < 5"), "{reason}");
    assert_eq!(run(&sandbox)["run"]["release"], "3");
}
