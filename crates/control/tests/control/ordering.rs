//! Certificates that are ordered: from an empty state directory to handshakes, with a real CA (pebble).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control::{
    After, CertificateSource, CertificateStatus, Controller, Handle, RenewalReason, Settings,
    Status,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use telemetry::Events;
use telemetry::event::Event;
use testkit::pebble::{Looks, Pebble};

use crate::bench::{Origin, settings_without_instances};
use crate::turned::Turned;

const HOST: &str = "shop.example.com";
/// A handshake with nobody takes no longer, nor anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A controller that orders of a CA, for a listener of TLS and, where it is wanted, one of clear text.
struct Stage {
    controller: Option<Controller>,
    clock: Arc<Turned>,
    /// Of this life.
    events: Events,
    room: tempfile::TempDir,
    http: u16,
    tls: u16,
    _origin: Origin,
}

/// Which listeners there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listeners {
    Both,
    Tls,
}

impl Stage {
    /// Starts with a CA; `None` where there is none on this machine.
    async fn start(listeners: Listeners) -> Option<(Self, Pebble)> {
        // The ports where a CA looks were free a moment ago: another program may have taken one.
        for _ in 0..10 {
            let pebble = Pebble::start(Looks::AtOnce)?;
            let (directory, root) = (pebble.directory().to_owned(), pebble.root());
            let (http, tls) = (pebble.http, pebble.tls);
            if let Some(stage) = Self::at(listeners, http, tls, &directory, &root).await {
                return Some((stage, pebble));
            }
        }
        panic!("no ports are free");
    }

    async fn at(
        listeners: Listeners,
        http: u16,
        tls: u16,
        directory: &str,
        root: &str,
    ) -> Option<Self> {
        let origin = Origin::start("one").await;
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join("root.pem"), root).unwrap();
        let web = match listeners {
            Listeners::Both => {
                format!("[listeners.web]\nbind = \"127.0.0.1:{http}\"\nredirect_https = true\n")
            }
            Listeners::Tls => String::new(),
        };
        let text = format!(
            "server = {{ state_dir = \"state\", workers = 2, drain = \"1s\" }}\nlog = {{ access = \"off\" }}\n\
             acme = {{ directory = \"{directory}\", ca = \"root.pem\" }}\n{web}\
             [listeners.secure]\nbind = \"127.0.0.1:{tls}\"\ntls = {{ acme = \"ops@example.com\" }}\n\
             [services.api]\ntargets = [\"{}\"]\n[[routes]]\nhost = \"{HOST}\"\nto = \"api\"\n",
            origin.address
        );
        std::fs::write(room.path().join("plimsoll.toml"), text).unwrap();
        let clock = Arc::new(Turned::default());
        let events = Events::default();
        let mut stage = Self { controller: None, clock, events, room, http, tls, _origin: origin };
        stage.begin().await.ok()?;
        Some(stage)
    }

    async fn begin(&mut self) -> Result<(), control::StartError> {
        self.events = Events::default();
        let settings = Settings {
            events: self.events.clone(),
            clock: self.clock.clone(),
            ..settings_without_instances(self.room.path())
        };
        self.controller = Some(control::start(settings).await?);
        Ok(())
    }

    async fn restart(&mut self) {
        let controller = self.controller.take().unwrap();
        controller.handle().shutdown(After::Stop).await.unwrap();
        controller.ended().await;
        self.begin().await.unwrap();
    }

    fn handle(&self) -> Handle {
        self.controller.as_ref().unwrap().handle()
    }

    /// Asks until the certificate is as wanted.
    async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&CertificateStatus) -> bool,
    ) -> CertificateStatus {
        until(&self.handle(), PATIENCE, what, wanted).await
    }

    fn file(&self) -> PathBuf {
        self.room.path().join("state/certificates/hosts").join(HOST).join("certificate.pem")
    }

    fn connect(&self, name: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        connect(&self.file(), name, self.tls)
    }
}

/// Asks until the only certificate is as wanted, and no longer than `patience`.
pub(crate) async fn until(
    handle: &Handle,
    patience: Duration,
    what: &str,
    wanted: impl Fn(&CertificateStatus) -> bool,
) -> CertificateStatus {
    let ask = async {
        loop {
            let certificates = handle.certificates().await.unwrap();
            if let [certificate] = &certificates[..]
                && wanted(certificate)
            {
                return certificate.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(patience, ask).await {
        Ok(certificate) => certificate,
        Err(_) => panic!("waited for: {what}; is: {:#?}", handle.certificates().await),
    }
}

/// What a client gets at this port that asks for `name`, and trusts who issued the certificate that is kept.
pub(crate) fn connect(
    kept: &Path,
    name: &str,
    port: u16,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    if let Ok(kept) = CertificateDer::pem_file_iter(kept) {
        // The issuer's, behind its own.
        kept.skip(1).for_each(|it| roots.add(it.unwrap()).unwrap());
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(session, socket);
    stream.flush()?;
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// The certificate that was shown.
pub(crate) fn leaf(stream: &StreamOwned<ClientConnection, TcpStream>) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// The status of a response to a `GET`.
fn get(stream: &mut (impl Read + Write)) -> io::Result<u16> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes())?;
    let mut read = Vec::new();
    while !read.ends_with(b"one") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 || read.len() > 10_000 {
            break;
        }
        read.push(byte[0]);
    }
    let text = String::from_utf8(read).unwrap();
    Ok(text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default())
}

pub(crate) fn is_there(certificate: &CertificateStatus) -> bool {
    certificate.held.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_https_by_http_01_and_on_without_the_ca() {
    let Some((mut stage, pebble)) = Stage::start(Listeners::Both).await else { return };
    let certificate = stage.until("the certificate has come", is_there).await;
    let held = certificate.held.as_ref().unwrap();
    assert!(held.issuer.starts_with("Pebble Intermediate CA"), "{held:?}");
    assert_eq!(held.key, "ECDSA P-256");
    let CertificateSource::Ordered(renewal) = &certificate.source else { panic!() };
    assert_eq!((renewal.why, &renewal.trouble), (RenewalReason::ThirdLeft, &None));
    assert!(renewal.next.unwrap() < held.not_after);

    let mut client = stage.connect(HOST).unwrap();
    assert_eq!(get(&mut client).unwrap(), 200);
    // Nothing else is redirected but what a CA looks for.
    let mut clear = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], stage.http))).unwrap();
    clear
        .write_all(b"GET /x HTTP/1.1\r\nhost: shop.example.com\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    clear.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 308 "), "{text}");
    stage.connect("other.example.com").unwrap_err();

    let page = stage.handle().scrape().await.unwrap();
    let line = page.lines().find(|it| it.starts_with("plimsoll_certificate_days_left"));
    let days: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(days > 1_000.0, "pebble's last for five years: {line:?}");
    assert!(stage.handle().status().await.unwrap().certificates.is_empty(), "nothing is wrong");

    let accounts = stage.room.path().join("state/certificates/accounts");
    let accounts: Vec<_> =
        std::fs::read_dir(accounts).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    for file in [&accounts[0], &stage.file()] {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let kept = std::fs::read_to_string(stage.file()).unwrap();
    assert!(kept.contains(&format!("# Directory: {}\n", pebble.directory())), "{kept}");
    assert!(kept.find("PRIVATE KEY") < kept.find("BEGIN CERTIFICATE"), "{kept}");

    // What was kept is served without asking anybody.
    drop(pebble);
    stage.restart().await;
    let mut after = stage.connect(HOST).unwrap();
    assert_eq!((get(&mut after).unwrap(), leaf(&after)), (200, leaf(&client)));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_alpn_01_needs_no_clear_text() {
    let Some((stage, _pebble)) = Stage::start(Listeners::Tls).await else { return };
    stage.until("the certificate has come", is_there).await;
    assert_eq!(get(&mut stage.connect(HOST).unwrap()).unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_closes_none_of_a_hundred_connections_and_fails_no_request() {
    let Some((stage, _pebble)) = Stage::start(Listeners::Both).await else { return };
    let first = stage.until("the certificate has come", is_there).await;
    let mut open: Vec<_> = (0..100).map(|_| stage.connect(HOST).unwrap()).collect();
    for client in &mut open {
        assert_eq!(get(client).unwrap(), 200);
    }
    let old = leaf(&open[0]);
    let CertificateSource::Ordered(renewal) = &first.source else { panic!() };
    let ahead = renewal.next.unwrap().duration_since(SystemTime::now()).unwrap();
    stage.clock.turn(ahead + Duration::from_secs(1));
    let is_next = |it: &CertificateStatus| {
        let old = first.held.as_ref().map(|it| it.not_after);
        it.held.as_ref().map(|it| it.not_after) > old
            || std::fs::read(stage.file())
                .is_ok_and(|_| stage.connect(HOST).is_ok_and(|it| leaf(&it) != leaf(&open[0])))
    };
    stage.until("the next one has come", is_next).await;
    let mut new = stage.connect(HOST).unwrap();
    assert_eq!(get(&mut new).unwrap(), 200);
    assert_ne!(leaf(&new), old);
    for client in &mut open {
        assert_eq!(get(client).unwrap(), 200, "it is as open as it was");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_not_there_is_told_with_what_to_do_and_the_rest_is_served() {
    let nobody = testkit::origin::refusing_address();
    let root = testkit::Authority::default().pem();
    let directory = format!("https://{nobody}/dir");
    let stage = Stage::at(Listeners::Both, 0, 0, &directory, &root).await.unwrap();
    let is_told = |it: &CertificateStatus| it.trouble().is_some();
    let certificate = stage.until("it is told", is_told).await;
    let trouble = certificate.trouble().unwrap();
    assert_eq!(
        (certificate.held.as_ref(), trouble.times, &*trouble.directory),
        (None, 1, &*directory)
    );
    assert!(trouble.problem.contains("refused"), "{trouble:?}");
    assert!(trouble.advice.contains(&format!("reaches {directory}")), "{trouble:?}");
    let CertificateSource::Ordered(renewal) = &certificate.source else { panic!() };
    assert_eq!(renewal.why, RenewalReason::Again);
    let status: Status = stage.handle().status().await.unwrap();
    assert_eq!(status.certificates.len(), 1);
    let page = stage.handle().scrape().await.unwrap();
    assert!(
        page.contains("plimsoll_certificate_days_left{host=\"shop.example.com\"} 0.0\n"),
        "{page}"
    );
    // A reload does not try again before its time, and takes nothing for new.
    stage.handle().reload().await.unwrap();
    let again = stage.until("it is known still", is_told).await;
    assert_eq!(again.trouble().map(|it| it.times), Some(1));
    let secure = status.listeners.iter().find(|it| it.tls).unwrap().addresses[0];
    let stage = Stage { tls: secure.port(), ..stage };
    stage.connect(HOST).unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_certificate_that_is_broken_is_said_and_another_is_ordered() {
    let Some((mut stage, _pebble)) = Stage::start(Listeners::Both).await else { return };
    stage.until("the certificate has come", is_there).await;
    let before = leaf(&stage.connect(HOST).unwrap());
    // As a crash between two writes would leave it, if there were two.
    let kept = std::fs::read_to_string(stage.file()).unwrap();
    let key = kept.find("-----BEGIN CERTIFICATE").unwrap();
    std::fs::write(stage.file(), &kept[..key]).unwrap();
    stage.restart().await;
    let recent = stage.events.recent();
    let why = recent.iter().find_map(|it| match &it.event {
        Event::KeptCertificateUnusable(unusable) => Some(unusable.why.clone()),
        _ => None,
    });
    let why = why.expect("it is said");
    assert!(why.contains("holds no certificate"), "{why}");
    stage.until("another has come", is_there).await;
    assert_ne!(leaf(&stage.connect(HOST).unwrap()), before);
}
