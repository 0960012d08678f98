//! Certificates that several edges share: a real CA (pebble), a real Redis, and edges that have one address together.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::Environment;
use control::{
    After, CertificateSource, CertificateStatus, Controller, Handle, Renewal, RenewalReason,
    Settings,
};
use rustix::process::Signal;
use telemetry::Events;
use telemetry::event::Kind;
use testkit::pebble::{Looks, Pebble};
use testkit::{Fork, RedisServer};

use crate::bench::settings_without_instances;
use crate::ordering::{connect, is_there, leaf, until};
use crate::turned::Turned;

const HOST: &str = "shop.example.com";
/// Longer than a turn lasts that nobody keeps.
const PATIENCE: Duration = Duration::from_secs(30);

fn variable(name: &str) -> Option<OsString> {
    (name == "STORE_SECRET").then(|| "0123456789abcdef0123456789abcdef".into())
}

/// Which listeners edges have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listeners {
    Both,
    Tls,
}

/// A CA, a store, and the addresses at which the CA looks for the edges.
struct Site {
    pebble: Pebble,
    redis: RedisServer,
    http: Fork,
    tls: Fork,
}

impl Site {
    /// `None` where there is no CA or no Redis on this machine.
    fn start() -> Option<Self> {
        if !crate::redis::is_installed() {
            return None;
        }
        // The ports where a CA looks were free a moment ago: another program may have taken one.
        for _ in 0..10 {
            let pebble = Pebble::start(Looks::AtOnce)?;
            if let (Ok(http), Ok(tls)) = (Fork::at(pebble.http), Fork::at(pebble.tls)) {
                return Some(Self { pebble, redis: RedisServer::start(&[]), http, tls });
            }
        }
        panic!("no ports are free");
    }

    /// The CA finds these edges.
    fn lead(&self, edges: &[&Place]) {
        self.http.lead(&edges.iter().filter_map(|it| it.http).collect::<Vec<_>>());
        self.tls.lead(&edges.iter().map(|it| it.tls).collect::<Vec<_>>());
    }
}

/// An edge.
struct Place {
    controller: Controller,
    clock: Arc<Turned>,
    events: Events,
    room: tempfile::TempDir,
    http: Option<SocketAddr>,
    tls: SocketAddr,
}

impl Place {
    async fn start(site: &Site, listeners: Listeners, on_failure: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join("root.pem"), site.pebble.root()).unwrap();
        let web = match listeners {
            Listeners::Both => "[listeners.web]\nbind = \"127.0.0.1:0\"\nredirect_https = 443\n",
            Listeners::Tls => "",
        };
        let text = format!(
            "server = {{ state_dir = \"state\", workers = 1, drain = \"1s\" }}\nlog = {{ access = \"off\" }}\n\
             acme = {{ directory = \"{}\", ca = \"root.pem\" }}\n{web}\
             [store]\nredis = \"redis://127.0.0.1:{}\"\ntimeout = \"2s\"\non_failure = \"{on_failure}\"\n\
             secret_env = \"STORE_SECRET\"\n\
             [listeners.secure]\nbind = \"127.0.0.1:0\"\ntls = {{ acme = \"ops@example.com\" }}\n\
             [[routes]]\nhost = \"{HOST}\"\nrespond = {{ status = 200, body = \"fine\" }}\n",
            site.pebble.directory(),
            site.redis.port,
        );
        std::fs::write(room.path().join("plimsoll.toml"), text).unwrap();
        let (clock, events) = (Arc::new(Turned::default()), Events::default());
        let settings = Settings {
            events: events.clone(),
            clock: clock.clone(),
            environment: Environment { variable, ..Environment::of_process() },
            ..settings_without_instances(room.path())
        };
        let controller = control::start(settings).await.unwrap();
        let status = controller.handle().status().await.unwrap();
        let address = |is_tls: bool| {
            status.listeners.iter().find(|it| it.tls == is_tls).map(|it| it.addresses[0])
        };
        let (http, tls) = (address(false), address(true).unwrap());
        Self { controller, clock, events, room, http, tls }
    }

    fn handle(&self) -> Handle {
        self.controller.handle()
    }

    async fn end(self) {
        self.handle().shutdown(After::Stop).await.unwrap();
        self.controller.ended().await;
    }

    fn file(&self) -> PathBuf {
        self.room.path().join("state/certificates/hosts").join(HOST).join("certificate.pem")
    }

    /// The certificate that clients are shown, if one is.
    fn shown(&self) -> Option<Vec<u8>> {
        connect(&self.file(), HOST, self.tls.port()).ok().map(|stream| leaf(&stream))
    }

    /// Asks until the certificate is as wanted.
    async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&CertificateStatus) -> bool,
    ) -> CertificateStatus {
        until(&self.handle(), PATIENCE, what, wanted).await
    }

    /// Waits until clients are shown another certificate than `before`.
    async fn until_other(&self, before: &[u8]) -> Vec<u8> {
        self.until("another certificate is served", |_| {
            self.shown().is_some_and(|it| it != before)
        })
        .await;
        self.shown().unwrap()
    }

    fn count(&self, kind: Kind) -> usize {
        self.events.recent().iter().filter(|it| it.event.kind() == kind).count()
    }

    /// Turns this edge's clocks to where its certificate is due.
    fn turn_to(&self, renewal: &Renewal) {
        let ahead = renewal.next.unwrap().duration_since(SystemTime::now()).unwrap();
        self.clock.turn(ahead + Duration::from_secs(1));
    }
}

fn renewal(certificate: &CertificateStatus) -> &Renewal {
    match &certificate.source {
        CertificateSource::Ordered(renewal) => renewal,
        CertificateSource::File(_) => panic!("{certificate:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_edges_that_start_together_one_orders_and_all_serve_the_same() {
    let Some(site) = Site::start() else { return };
    let start = || Place::start(&site, Listeners::Both, "local");
    // They order only once it is seen whose turn it is.
    site.redis.signal(Signal::STOP);
    let (one, other) = tokio::join!(start(), start());
    site.lead(&[&one, &other]);
    site.redis.signal(Signal::CONT);
    one.until("it has come", is_there).await;
    other.until("it has come", is_there).await;
    assert_eq!(one.shown().unwrap(), other.shown().unwrap());
    for (kind, wanted) in [
        (Kind::CertificateIssued, 1),
        (Kind::CertificateAdopted, 1),
        (Kind::AccountOpened, 1),
        (Kind::CertificateNotIssued, 0),
    ] {
        assert_eq!(one.count(kind) + other.count(kind), wanted, "{kind:?}");
    }
    let kept = std::fs::read_to_string(one.file()).unwrap();
    assert_eq!(kept, std::fs::read_to_string(other.file()).unwrap(), "each has it on its disk");

    // What lies in the store is sealed.
    let all = site.redis.cli(&["HGETALL", "{plimsoll:edges}:texts"]);
    let names: Vec<_> = all.lines().filter(|it| it.contains('/') && it.len() < 200).collect();
    assert!(
        names.iter().any(|it| it.ends_with(HOST))
            && names.iter().any(|it| it.starts_with("account/"))
    );
    let key = kept.lines().skip_while(|it| !it.contains("PRIVATE KEY")).nth(1).unwrap();
    assert!(!all.contains(key) && !all.contains("PRIVATE") && !all.contains("thumbprint"), "{all}");

    // A store that was emptied is filled again, and an edge that joins asks no CA.
    site.redis.cli(&["FLUSHALL"]);
    let third = start().await;
    third.until("it has come from those that know it", is_there).await;
    assert_eq!((third.shown(), third.count(Kind::CertificateIssued)), (one.shown(), 0));
}

/// One edge orders a renewal, and the CA finds the other one alone.
async fn the_other_responds(listeners: Listeners) {
    let Some(site) = Site::start() else { return };
    let one = Place::start(&site, listeners, "local").await;
    site.lead(&[&one]);
    let first = one.until("it has come", is_there).await;
    let other = Place::start(&site, listeners, "local").await;
    other.until("it has come by the store", is_there).await;
    let before = one.shown().unwrap();
    assert_eq!(other.shown().as_ref(), Some(&before));
    site.lead(&[&other]);
    one.turn_to(renewal(&first));
    let after = one.until_other(&before).await;
    assert_eq!(other.until_other(&before).await, after);
    assert_eq!((one.count(Kind::CertificateIssued), other.count(Kind::CertificateIssued)), (2, 0));
    assert_eq!(one.count(Kind::CertificateNotIssued), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_connects_to_another_edge_finds_what_it_looks_for_by_http_01() {
    the_other_responds(Listeners::Both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_connects_to_another_edge_finds_what_it_looks_for_by_tls_alpn_01() {
    the_other_responds(Listeners::Tls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_all_serve_on_and_order_by_the_rule_and_agree_when_it_is_back() {
    let Some(mut site) = Site::start() else { return };
    let local = Place::start(&site, Listeners::Both, "local").await;
    site.lead(&[&local]);
    let first = local.until("it has come", is_there).await;
    let refusing = Place::start(&site, Listeners::Both, "refuse").await;
    refusing.until("it has come by the store", is_there).await;
    let before = local.shown().unwrap();
    site.redis.end();
    assert_eq!((local.shown().as_ref(), refusing.shown().as_ref()), (Some(&before), Some(&before)));
    refusing.turn_to(renewal(&first));
    let waits = |it: &CertificateStatus| renewal(it).why == RenewalReason::Store;
    refusing.until("it waits for the store", waits).await;
    // More than a minute has passed by this one's clock.
    local.turn_to(renewal(&first));
    let after = local.until_other(&before).await;
    assert_eq!(refusing.shown().as_ref(), Some(&before));
    // The store has nothing of it; what was issued last is served by both.
    assert!(site.redis.begin());
    assert_eq!(refusing.until_other(&before).await, after);
    assert_eq!(local.shown().as_ref(), Some(&after));
    assert_eq!(refusing.count(Kind::CertificateIssued), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_never_reached_the_store_waits_a_minute() {
    let Some(mut site) = Site::start() else { return };
    site.redis.end();
    let edge = Place::start(&site, Listeners::Both, "local").await;
    site.lead(&[&edge]);
    let waits = |it: &CertificateStatus| renewal(it).why == RenewalReason::Store;
    edge.until("it waits for the store", waits).await;
    assert_eq!(edge.count(Kind::CertificateNotIssued), 0);
    edge.clock.turn(Duration::from_secs(61));
    edge.until("it orders for itself", is_there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_at_one_edge_is_told_by_all_and_tried_by_it_alone_until_it_is_gone() {
    let Some(site) = Site::start() else { return };
    let one = Place::start(&site, Listeners::Both, "local").await;
    // The CA finds nobody.
    let failed = one.until("it fails", |it| it.trouble().is_some()).await;
    let other = Place::start(&site, Listeners::Both, "local").await;
    let is_told = |it: &CertificateStatus| it.trouble().is_some();
    let told = other.until("what fails is told", is_told).await;
    let renewal = renewal(&told);
    assert_eq!(renewal.why, RenewalReason::Elsewhere);
    assert!(renewal.edge.as_ref().is_some_and(|it| it.contains('-')), "{renewal:?}");
    let problem = |it: &CertificateStatus| it.trouble().map(|it| (it.times, it.problem.clone()));
    assert_eq!(problem(&told), problem(&failed));
    assert_eq!(other.count(Kind::CertificateNotIssued), 0);
    assert_eq!(other.handle().status().await.unwrap().certificates.len(), 1);
    // Its turn passes to another when it is not kept any longer.
    one.end().await;
    site.lead(&[&other]);
    other.until("the other orders", is_there).await;
    assert_eq!(other.count(Kind::CertificateIssued), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_changed_in_the_store_is_said_and_not_served() {
    let Some(site) = Site::start() else { return };
    let edge = Place::start(&site, Listeners::Both, "local").await;
    site.lead(&[&edge]);
    edge.until("it has come", is_there).await;
    let before = edge.shown();
    let texts = "{plimsoll:edges}:texts";
    let names = site.redis.cli(&["HKEYS", texts]);
    let name = names.lines().find(|it| it.ends_with(HOST)).unwrap();
    let record = site.redis.cli(&["HGET", texts, name]);
    // Later by a change, as one is.
    let broken = format!("{}A", &record[..record.len() - 2]);
    site.redis.cli(&["HSET", texts, name, &broken]);
    site.redis.cli(&["ZADD", "{plimsoll:edges}:changes", "9000000000000000", name]);
    let said = |_: &CertificateStatus| edge.count(Kind::SharedCertificateUnusable) > 0;
    edge.until("it is said", said).await;
    assert_eq!(edge.shown(), before);
}
