//! Certificates of Plimsoll's own CA: from an empty state directory to handshakes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control::{
    After, CertificateSource, CertificateStatus, Controller, InternalCaStatus, RenewalReason,
    Settings,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use telemetry::Events;
use telemetry::event::Event;

use crate::bench::settings_without_instances;
use crate::turned::Turned;

/// A handshake with nobody takes no longer, nor anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(86_400);

const HOSTS: [&str; 3] = ["*.shop.internal", "api.internal", "localhost"];

/// A controller with one listener, whose certificates are of its own CA.
struct Stage {
    controller: Option<Controller>,
    clock: Arc<Turned>,
    events: Events,
    room: tempfile::TempDir,
}

impl Stage {
    async fn start() -> Self {
        let room = tempfile::tempdir().unwrap();
        let text = "server = { state_dir = \"state\", workers = 1, drain = \"1s\" }\nlog = { access = \"off\" }\n\
                    [listeners.secure]\nbind = \"127.0.0.1:0\"\ntls = { internal = true }\n\
                    [[routes]]\nhost = [\"api.internal\", \"*.shop.internal\"]\nrespond = { status = 200, body = \"one\" }\n\
                    [[routes]]\nrespond = { status = 200, body = \"one\" }\n";
        std::fs::write(room.path().join("plimsoll.toml"), text).unwrap();
        let (clock, events) = (Arc::new(Turned::default()), Events::default());
        let mut stage = Self { controller: None, clock, events, room };
        stage.begin().await;
        stage
    }

    async fn begin(&mut self) {
        self.events = Events::default();
        let settings = Settings {
            events: self.events.clone(),
            clock: self.clock.clone(),
            ..settings_without_instances(self.room.path())
        };
        self.controller = Some(control::start(settings).await.unwrap());
    }

    /// Ends, has something done to the state directory, and begins again.
    async fn restart(&mut self, meanwhile: impl FnOnce(&Path)) {
        let controller = self.controller.take().unwrap();
        controller.handle().shutdown(After::Stop).await.unwrap();
        controller.ended().await;
        meanwhile(&self.room.path().join("state/certificates"));
        self.begin().await;
    }

    fn handle(&self) -> control::Handle {
        self.controller.as_ref().unwrap().handle()
    }

    fn made(&self) -> bool {
        self.events.recent().iter().any(|it| matches!(it.event, Event::InternalCaMade(_)))
    }

    /// Asks until all certificates are as wanted.
    async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&CertificateStatus) -> bool,
    ) -> Vec<CertificateStatus> {
        let ask = async {
            loop {
                let certificates = self.handle().certificates().await.unwrap();
                if certificates.len() == HOSTS.len() && certificates.iter().all(&wanted) {
                    return certificates;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(certificates) => certificates,
            Err(_) => panic!("waited for: {what}; is: {:#?}", self.handle().certificates().await),
        }
    }

    async fn ca(&self) -> InternalCaStatus {
        self.handle().internal_ca().await.unwrap().expect("there is one")
    }

    /// What a client that trusts `root`, and whose clock is turned as ours, is shown for `name`.
    async fn leaf(&self, root: &str, name: &str) -> io::Result<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let time = Arc::new(AsTurned(self.clock.clone()));
        let config = ClientConfig::builder_with_details(provider, time);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = name.to_owned().try_into().unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let status = self.handle().status().await.unwrap();
        let address: SocketAddr = status.listeners[0].addresses[0];
        let asked = tokio::task::spawn_blocking(move || -> io::Result<Vec<u8>> {
            let socket = TcpStream::connect(address)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let mut stream = StreamOwned::new(session, socket);
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: api.internal\r\nconnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
            Ok(stream.conn.peer_certificates().unwrap()[0].to_vec())
        });
        asked.await.unwrap()
    }
}

/// A client's clock.
#[derive(Debug)]
struct AsTurned(Arc<Turned>);

impl TimeProvider for AsTurned {
    fn current_time(&self) -> Option<UnixTime> {
        let now = control::Clock::now(&*self.0).wall;
        Some(UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).ok()?))
    }
}

fn is_there(certificate: &CertificateStatus) -> bool {
    certificate.held.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_https_by_name_by_wildcard_and_by_address() {
    let mut stage = Stage::start().await;
    let certificates = stage.until("all have come", is_there).await;
    assert!(stage.made());
    let hosts: Vec<_> = certificates.iter().map(|it| it.hosts[0].as_str()).collect();
    assert_eq!(hosts, HOSTS);
    let ca = stage.ca().await;
    for certificate in &certificates {
        let held = certificate.held.as_ref().unwrap();
        assert_eq!((&held.issuer, &*held.key), (&ca.name, "ECDSA P-256"));
        let left = held.not_after.duration_since(SystemTime::now()).unwrap();
        assert!(left <= 7 * DAY && left > 6 * DAY, "{left:?}");
        let CertificateSource::Ordered(renewal) = &certificate.source else { panic!() };
        assert_eq!((renewal.why, &renewal.trouble), (RenewalReason::ThirdLeft, &None));
    }
    for name in ["api.internal", "a.shop.internal", "localhost", "127.0.0.1"] {
        stage.leaf(&ca.root, name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in ["other.internal", "shop.internal"] {
        stage.leaf(&ca.root, name).await.unwrap_err();
    }
    let certificates = stage.room.path().join("state/certificates");
    for file in ["internal/authority.pem", "hosts/_.shop.internal/certificate.pem"] {
        let mode = std::fs::metadata(certificates.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    let before = stage.leaf(&ca.root, "api.internal").await.unwrap();
    stage.restart(|_| {}).await;
    stage.until("all are there", is_there).await;
    assert!(!stage.made());
    assert_eq!(stage.ca().await, ca);
    assert_eq!(stage.leaf(&ca.root, "api.internal").await.unwrap(), before, "it was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_renewed_by_the_same_root_before_it_ends() {
    let stage = Stage::start().await;
    stage.until("all have come", is_there).await;
    let ca = stage.ca().await;
    let before = stage.leaf(&ca.root, "localhost").await.unwrap();
    stage.clock.turn(5 * DAY);
    let ends = SystemTime::now() + 11 * DAY;
    let is_next = |it: &CertificateStatus| it.held.as_ref().is_some_and(|it| it.not_after > ends);
    stage.until("the next have come", is_next).await;
    assert_eq!(stage.ca().await, ca);
    assert_ne!(stage.leaf(&ca.root, "localhost").await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_lost_is_made_anew_and_one_that_is_broken_never_replaced() {
    let mut stage = Stage::start().await;
    stage.until("all have come", is_there).await;
    let first = stage.ca().await;
    let authority = |state: &Path| -> PathBuf { state.join("internal/authority.pem") };
    let mut kept = String::new();
    let lose = |state: &Path| {
        kept = std::fs::read_to_string(authority(state)).unwrap();
        std::fs::remove_file(authority(state)).unwrap();
    };
    stage.restart(lose).await;
    let is_of_another = |it: &CertificateStatus| {
        let CertificateSource::Ordered(renewal) = &it.source else { return false };
        it.held.is_some() && renewal.why == RenewalReason::ThirdLeft
    };
    stage.until("all are of another root", is_of_another).await;
    let second = stage.ca().await;
    assert_ne!(second.fingerprint, first.fingerprint);
    for name in ["api.internal", "localhost"] {
        stage.leaf(&second.root, name).await.unwrap();
        stage.leaf(&first.root, name).await.unwrap_err();
    }

    stage.restart(|state| std::fs::write(authority(state), "nonsense").unwrap()).await;
    let is_told = |it: &CertificateStatus| {
        it.trouble().is_some_and(|it| {
            it.problem.contains("authority.pem cannot be used")
                && it.advice.contains("from a backup")
        })
    };
    stage.until("it is told", is_told).await;
    assert_eq!(stage.handle().internal_ca().await.unwrap(), None);
    stage.leaf(&second.root, "api.internal").await.expect("what is good still is served");
    let state = stage.room.path().join("state/certificates");
    assert_eq!(std::fs::read_to_string(authority(&state)).unwrap(), "nonsense");

    stage.restart(|state| std::fs::write(authority(state), &kept).unwrap()).await;
    stage.until("all are of the first again", is_of_another).await;
    assert_eq!(stage.ca().await, first);
    stage.leaf(&first.root, "localhost").await.unwrap();
}
