//! Pebble and its server of names, each started by a test and ended with it.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acme::{
    Answer, Authority, Challenge, ChallengeKind, Credentials, Enrolment, Refused, Scope, Solver,
};
use certificates::DirectoryUrl;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use outbound::{Client, Names, Request, Trust, parse};
use tempfile::TempDir;
use testkit::{Origin, eventually};

/// Names that lead nowhere: all that is asked here are addresses.
struct NoNames;

impl Names for NoNames {
    fn addresses<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>> {
        async { Err("there are no names".into()) }.boxed()
    }
}

/// The certificate of an authority that nobody knows.
pub(crate) fn stranger() -> String {
    testkit::Authority::default().pem()
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A CA.
pub(crate) struct Pebble {
    directory: String,
    challenges: SocketAddr,
    trust: Trust,
    no_acme: Origin,
    _programs: [Running; 2],
    _files: TempDir,
    _authority: testkit::Authority,
}

impl Pebble {
    /// Starts one; `None` where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !testkit::has(&["pebble", "pebble-challtestsrv"]) {
            return None;
        }
        let authority = testkit::Authority::default();
        let own = authority.issue(&["127.0.0.1"]);
        let files = TempDir::new().unwrap();
        // Ports that were free a moment ago: another program may have taken one.
        for _ in 0..10 {
            let [api, management, http, tls, names, tests] = ports();
            let config = format!(
                r#"{{"pebble":{{"listenAddress":"127.0.0.1:{api}","managementListenAddress":"127.0.0.1:{management}",
                "certificate":{:?},"privateKey":{:?},"httpPort":{http},"tlsPort":{tls},"ocspResponderURL":"","externalAccountBindingRequired":false}}}}"#,
                own.cert, own.key
            );
            let path = files.path().join("pebble.json");
            std::fs::write(&path, config).unwrap();
            let mut servers = [start_names(names, tests, http), start_ca(&path, names)];
            let ready = [api, tests].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            let mut ended = false;
            eventually("the CA listens", || {
                ended = servers.iter_mut().any(|it| it.0.try_wait().unwrap().is_some());
                ended || ready.iter().all(|it| TcpStream::connect(it).is_ok())
            });
            if !ended {
                return Some(Self {
                    directory: format!("https://127.0.0.1:{api}/dir"),
                    challenges: ready[1],
                    trust: Trust::of_pem(&authority.pem()).unwrap(),
                    no_acme: Origin::polite("no CA"),
                    _programs: servers,
                    _files: files,
                    _authority: authority,
                });
            }
        }
        panic!("no ports are free");
    }

    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// What all of its URLs begin with.
    pub(crate) fn base(&self) -> String {
        self.directory.trim_end_matches("/dir").to_owned()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(Arc::new(NoNames))
    }

    pub(crate) async fn enrol(&self, by: &Enrolment) -> Result<(Authority, Credentials), Refused> {
        self.enrol_at(&self.directory, by).await
    }

    pub(crate) async fn enrol_at(
        &self,
        directory: &str,
        by: &Enrolment,
    ) -> Result<(Authority, Credentials), Refused> {
        Authority::enrol(self.client(), self.trust.clone(), DirectoryUrl::new(directory), by).await
    }

    pub(crate) async fn open(&self, kept: &Credentials) -> Result<Authority, Refused> {
        let directory = DirectoryUrl::new(self.directory());
        Authority::open(self.client(), self.trust.clone(), directory, kept).await
    }

    /// The URL of a directory where nobody listens.
    pub(crate) fn nowhere(&self) -> String {
        format!("http://{}/dir", testkit::origin::refusing_address())
    }

    /// The URL of a server that is no CA.
    pub(crate) fn no_acme(&self) -> String {
        format!("http://{}/dir", self.no_acme.address())
    }

    /// Who puts answers where this CA looks, of these kinds.
    pub(crate) fn solver(&self, kinds: &[ChallengeKind]) -> Answers {
        let (client, challenges) = (self.client(), self.challenges);
        let (kinds, putting) = (kinds.to_vec(), Putting::Answers);
        Answers { client, challenges, kinds, putting, present: Mutex::default() }
    }
}

/// Six ports that are free.
fn ports() -> [u16; 6] {
    let bound: [TcpListener; 6] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    bound.map(|it| it.local_addr().unwrap().port())
}

fn start_names(names: u16, management: u16, http: u16) -> Running {
    let mut command = Command::new("pebble-challtestsrv");
    command.arg("-dns01").arg(format!("127.0.0.1:{names}"));
    command.arg("-management").arg(format!("127.0.0.1:{management}"));
    command.arg("-http01").arg(format!("127.0.0.1:{http}"));
    command.args(["-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
    run(command)
}

fn start_ca(config: &Path, names: u16) -> Running {
    let mut command = Command::new("pebble");
    command.arg("-config").arg(config).arg("-strict");
    command.arg("-dnsserver").arg(format!("127.0.0.1:{names}"));
    // It waits up to so many seconds before it looks, and takes no proof from an earlier order.
    command.envs([("PEBBLE_VA_SLEEPTIME", "1"), ("PEBBLE_AUTHZREUSE", "0")]);
    run(command)
}

fn run(mut command: Command) -> Running {
    Running(
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
    )
}

/// What is put where the CA looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Putting {
    Answers,
    Nonsense,
    /// It fails.
    Nothing,
}

/// Answers, by the CA's own server of challenges.
pub(crate) struct Answers {
    client: Client,
    challenges: SocketAddr,
    kinds: Vec<ChallengeKind>,
    putting: Putting,
    present: Mutex<Vec<Challenge>>,
}

impl Answers {
    pub(crate) fn putting(self, putting: Putting) -> Self {
        Self { putting, ..self }
    }

    /// What was presented and not withdrawn.
    pub(crate) fn left(&self) -> Vec<Challenge> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn tell(&self, path: &str, fields: BTreeMap<&str, String>) {
        let url = parse(&format!("http://{}/{path}", self.challenges)).unwrap();
        let request = Request::get(url, Duration::from_secs(10), 65_536);
        let body = serde_json::to_vec(&fields).unwrap().into();
        let response = self.client.ask(Request { method: Method::POST, body, ..request }).await;
        assert_eq!(response.unwrap().status.as_u16(), 200, "{path}");
    }
}

impl Solver for Answers {
    fn kinds(&self, _: &str, scope: Scope) -> Vec<ChallengeKind> {
        let can = |kind: &ChallengeKind| {
            scope == Scope::Name || *kind == ChallengeKind::Dns01 || self.kinds.len() == 1
        };
        self.kinds.iter().copied().filter(can).collect()
    }

    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<(), String>> {
        async move {
            self.present.lock().unwrap_or_else(PoisonError::into_inner).push(challenge.clone());
            if self.putting == Putting::Nothing {
                return Err("the disk is full".to_owned());
            }
            let said = |text: &String| match self.putting {
                Putting::Nonsense => "nonsense".to_owned(),
                _ => text.clone(),
            };
            match &challenge.answer {
                Answer::Http01 { token, body } => {
                    let fields =
                        BTreeMap::from([("token", token.clone()), ("content", said(body))]);
                    self.tell("add-http01", fields).await;
                }
                Answer::Dns01 { value } => {
                    let fields =
                        BTreeMap::from([("host", record(challenge)), ("value", said(value))]);
                    self.tell("set-txt", fields).await;
                }
                Answer::TlsAlpn01 { .. } => panic!("nobody asked for it"),
            }
            Ok(())
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
        async move {
            self.present
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|it| it != challenge);
            match &challenge.answer {
                Answer::Http01 { token, .. } => {
                    self.tell("del-http01", BTreeMap::from([("token", token.clone())])).await;
                }
                Answer::Dns01 { .. } => {
                    self.tell("clear-txt", BTreeMap::from([("host", record(challenge))])).await;
                }
                Answer::TlsAlpn01 { .. } => {}
            }
        }
        .boxed()
    }
}

/// Where a challenge's record is.
fn record(challenge: &Challenge) -> String {
    format!("_acme-challenge.{}.", challenge.name)
}
