//! What happens is told as typed events: each kind is reached here, or it is said why it is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use control::{DeployRequest, Overrides, Wanted};
use rcgen::{CertificateParams, KeyPair};
use telemetry::event::{Event, EventId, Followed, Follower, Kind};

use crate::bench::{Bench, FakeNames, Origin};
use crate::tasks::TaskDriver;

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that no route leads to is doubtful.
const IDLE: &str = "[services.idle]\ntargets = [\"127.0.0.1:9\"]\n";

/// Kinds that are not reached here, and why.
const ELSEWHERE: &[(Kind, &str)] = &[
    (Kind::InstancesRunAsRoot, "depends on who runs the test"),
    (Kind::ReloadWatched, "tests of reloads that are watched"),
    (Kind::ReloadWatchEnded, "tests of reloads that are watched"),
    (Kind::ReloadRolledBack, "tests of reloads that are watched"),
    (Kind::ReloadNotRolledBack, "a test of the binary, whose port another program takes meanwhile"),
    (Kind::CertificateIssued, "tests of orders, which need a CA"),
    (Kind::CertificateNotIssued, "tests of orders"),
    (Kind::CertificateNotKept, "needs a full disk"),
    (Kind::KeptCertificateUnusable, "tests of orders"),
    (Kind::CertificateAdopted, "tests of edges, which need a CA"),
    (Kind::SharedCertificateUnusable, "tests of edges, which need a CA"),
    (Kind::ChallengeRecordLeft, "needs a zone that takes records and keeps them"),
    (Kind::InternalCaMade, "tests of the CA of our own"),
    (Kind::AccountOpened, "tests of orders, which need a CA"),
    (Kind::JobStarted, "tests of jobs"),
    (Kind::JobSucceeded, "tests of jobs"),
    (Kind::JobFailed, "tests of jobs"),
    (Kind::JobInterrupted, "tests of jobs"),
    (Kind::JobSkipped, "tests of jobs"),
    (Kind::JobMissed, "tests of jobs"),
    (Kind::JobNotRecorded, "needs a full disk"),
    (Kind::AccountNotKept, "needs a full disk"),
    (Kind::KeysTaken, "tests of issuers"),
    (Kind::KeysUnfetched, "tests of issuers"),
    (Kind::KeysFetched, "tests of issuers"),
    (Kind::KeySkipped, "tests of issuers"),
    (Kind::KeysNotSaved, "needs a full disk"),
    (Kind::ServiceTlsRenewed, "tests of TLS with instances"),
    (Kind::ServiceTlsWarning, "tests of TLS with instances"),
    (Kind::AdminCertificateRenewed, "tests of certificates"),
    (Kind::AdminCertificateWarning, "tests of certificates"),
    (Kind::InstanceTlsFailed, "edge's tests of TLS with instances"),
    (Kind::InstanceOutlier, "tests of outliers"),
    (Kind::InstanceOutlierOver, "tests of outliers"),
    (Kind::OutlierReplaced, "tests of outliers"),
    (Kind::AddressesNotApplied, "what was published before can be published again"),
    (Kind::StateAdopted, "belonging's own tests"),
    (Kind::StateOwnerNotRecorded, "needs a full disk"),
    (Kind::DrainsDamaged, "drains' own tests"),
    (Kind::DrainsUnreadable, "needs a file that cannot be read"),
    (Kind::DrainsNotSaved, "needs a full disk"),
    (Kind::BansDamaged, "tests of bans"),
    (Kind::BansUnreadable, "needs a file that cannot be read"),
    (Kind::BansNotSaved, "needs a full disk"),
    (Kind::BansFull, "policy's own tests fill a set"),
    (Kind::TokenNotBanned, "needs a loop that is too busy to listen"),
    (Kind::ClientBanned, "tests of bans"),
    (Kind::ClientObserved, "edge's tests of abuse"),
    (Kind::ClientNotBanned, "needs a loop that is too busy to listen"),
    (Kind::AuthServerFailed, "edge's tests of servers that are asked"),
    (Kind::AuthServerRecovered, "edge's tests of servers that are asked"),
    (Kind::StoreDown, "tests of the store"),
    (Kind::StoreUp, "tests of the store"),
    (Kind::PreflightPanicked, "no driver panics"),
    (Kind::ControlPanicked, "nothing here panics"),
    (Kind::ChecksNotMade, "probe's own tests"),
    (Kind::CheckProgramUnavailable, "tests of the binary that run a check program"),
    (Kind::InstanceUnready, "tests of the binary, whose instance listens elsewhere for seconds"),
    (Kind::InstanceOutput, "tests of the binary, whose instances write"),
    (Kind::ServiceScaled, "tests of the binary that scale"),
    (Kind::NoReleaseYet, "tests of the binary without a version"),
    (Kind::FirstReleaseStep, "tests of the binary whose first release fails again and again"),
    (Kind::InstanceForced, "tests of the binary, whose instances ignore a signal"),
    (Kind::InstanceWarmedUp, "tests of the binary that warm up"),
    (Kind::InstanceAdopted, "tests of the binary that kill it"),
    (Kind::InstanceLost, "needs an instance that cannot be looked at"),
    (Kind::DrainNotReported, "needs a worker that is too busy to report"),
    (Kind::LogsNotRemoved, "needs a directory that cannot be written"),
    (Kind::DeployInterrupted, "tests of the binary that kill it"),
    (Kind::JournalUnreadable, "needs a disk that fails"),
    (Kind::JournalReadOnly, "needs a full disk"),
    (Kind::JournalNotReserved, "needs a full disk"),
    (Kind::RecipeUnreadable, "journal's own tests"),
    (Kind::DeletedDataNotErased, "needs a disk that fails"),
    (Kind::InstanceNameNotRecorded, "needs a full disk"),
    (Kind::DeployStepNotRecorded, "needs a full disk"),
    (Kind::ReceiptLost, "needs a full disk"),
    (Kind::EvidenceLost, "needs a full disk"),
    (Kind::InstanceNotForgotten, "needs a full disk"),
    (Kind::ListenerNotOpened, "needs a socket that the runtime cannot take"),
    (Kind::AcceptFailed, "edge's tests of shortage"),
    (Kind::AcceptedLost, "needs a system that fails"),
    (Kind::ConnectionLimit, "edge's tests of shortage"),
    (Kind::ClientDescriptorsOut, "edge's tests of shortage"),
    (Kind::IdleConnectionsClosed, "edge's tests of room"),
    (Kind::InstanceDescriptorsOut, "edge's tests of shortage"),
    (Kind::IdleUnwatched, "needs a system that fails"),
    (Kind::WorkerNotStarted, "needs a machine without memory"),
    (Kind::WorkerPanicked, "nothing here panics"),
    (Kind::AccessLogFails, "telemetry's tests of the sink"),
    (Kind::AccessLogRecovered, "telemetry's tests of the sink"),
    (Kind::AccessLogNotReopened, "telemetry's tests of the sink"),
    (Kind::AccessLogLinesLost, "telemetry's tests of the sink"),
    (Kind::AccessLogPanicked, "nothing here panics"),
    (Kind::AccessLogNotRestored, "needs a file that goes while a reload is on"),
    (Kind::AccessLogNotClosed, "the thread that closes it does not panic"),
];

/// Reads all that happens, from the start.
struct Seen {
    follower: Follower,
    kinds: BTreeSet<Kind>,
    all: Vec<Event>,
}

impl Seen {
    fn of(bench: &Bench) -> Self {
        let events = bench.handle.events();
        let start = EventId { number: 0, ..events.last() };
        Self { follower: events.follow(Some(start)), kinds: BTreeSet::new(), all: Vec::new() }
    }

    /// Reads until one of `kind` comes.
    async fn until(&mut self, kind: Kind) -> Event {
        self.until_one_of(&[kind]).await
    }

    /// Reads until one of any of `kinds` comes.
    async fn until_one_of(&mut self, kinds: &[Kind]) -> Event {
        let read = async {
            loop {
                match self.follower.next().await {
                    Some(Followed::Event(recorded)) => {
                        self.kinds.insert(recorded.event.kind());
                        self.all.push(recorded.event.clone());
                        if kinds.contains(&recorded.event.kind()) {
                            return recorded.event.clone();
                        }
                    }
                    other => panic!("{other:?} where {kinds:?} was to come after {:#?}", self.all),
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.unwrap_or_else(|_| panic!("no {kinds:?}, but {:#?}", self.all))
    }

    /// Ends Plimsoll, reads all that is left, and says which kinds there were.
    async fn end(mut self, bench: Bench) -> BTreeSet<Kind> {
        bench.handle.shutdown(control::After::Stop).await.unwrap();
        while let Some(followed) = self.follower.next().await {
            let Followed::Event(recorded) = followed else { panic!("{followed:?}") };
            self.kinds.insert(recorded.event.kind());
        }
        self.kinds
    }
}

/// A certificate that has expired, in a listener that shows it.
fn write_certificate(dir: &std::path::Path) -> String {
    let mut params = CertificateParams::new(["shop.example.com".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    let key = KeyPair::generate().unwrap();
    let (cert, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    format!(
        "[listeners.secure]\nbind = \"127.0.0.1:0\"\n\
         tls = {{ certificates = [{{ cert = {cert:?}, key = {key_file:?} }}] }}\n"
    )
}

/// Reloads, drains, certificates.
async fn of_the_configuration() -> BTreeSet<Kind> {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::start("one").await;
    let certificate = write_certificate(dir.path());
    let text = |more: &str| format!("[services.api]\ntargets = [\"{}\"]\n{more}", origin.address);
    let bench = Bench::start(&text(&certificate)).await;
    let mut seen = Seen::of(&bench);
    seen.until(Kind::CertificatesRead).await;
    let Event::CertificateWarning(warning) = seen.until(Kind::CertificateWarning).await else {
        unreachable!()
    };
    assert!(warning.why.contains("expired"), "{warning:?}");
    seen.until(Kind::Serving).await;

    std::fs::write(dir.path().join("key.pem"), "no key").unwrap();
    let Event::CertificatesUnreadable(broken) = seen.until(Kind::CertificatesUnreadable).await
    else {
        unreachable!()
    };
    assert!(broken.why.contains("key.pem is not a PEM file"), "{broken:?}");
    write_certificate(dir.path());
    seen.until(Kind::CertificatesReadable).await;
    seen.until(Kind::CertificatesRenewed).await;

    bench.write(&text("balans = 1"));
    bench.handle.reload().await.unwrap_err();
    let Event::ConfigRejected(rejected) = seen.until(Kind::ConfigRejected).await else {
        unreachable!()
    };
    assert!(rejected.why.contains("balans") && rejected.revision.0 == 1, "{rejected:?}");
    // The number of workers is for the next start.
    bench.write(&text(IDLE));
    bench.edit("workers = 2", "workers = 1");
    bench.handle.reload().await.unwrap();
    seen.until(Kind::ConfigWarning).await;
    seen.until(Kind::ConfigApplied).await;
    seen.until(Kind::RestartNeeded).await;

    let name = origin.address.to_string();
    bench.handle.drain("api", &name).await.unwrap();
    seen.until(Kind::InstanceDrained).await;
    seen.until(Kind::ServiceDown).await;
    bench.handle.enable("api", &name).await.unwrap();
    seen.until(Kind::InstanceEnabled).await;
    seen.until(Kind::ServiceRecovered).await;
    seen.end(bench).await
}

/// Checks, failed requests, names.
async fn of_instances_of_others() -> BTreeSet<Kind> {
    let (one, spare) = (Origin::start("one").await, Origin::start("spare").await);
    let names = FakeNames::default();
    names.set("app.internal", &["127.0.0.1"]);
    let bench = Bench::start_with(
        &format!(
            "[services.api]\ntargets = [\"app.internal:{}\", {{ address = \"{}\", backup = true }}]\n\
             health = {{ path = \"/health\", interval = \"30ms\", timeout = \"1s\" }}",
            one.address.port(),
            spare.address,
        ),
        names,
    )
    .await;
    let mut seen = Seen::of(&bench);
    one.set_health(500);
    let Event::InstanceUnhealthy(unhealthy) = seen.until(Kind::InstanceUnhealthy).await else {
        unreachable!()
    };
    assert!(unhealthy.why.contains("500"), "{unhealthy:?}");
    seen.until(Kind::ServiceOnBackups).await;
    spare.set_health(500);
    seen.until(Kind::ServicePanics).await;
    one.set_health(200);
    seen.until(Kind::InstanceHealthy).await;
    bench.names.set("app.internal", &[]);
    seen.until(Kind::NameUnresolved).await;
    bench.names.set("app.internal", &["127.0.0.1"]);
    seen.until(Kind::NameResolved).await;

    let other = Origin::start("other").await;
    other.set_answer(500);
    bench.write(&format!(
        "[services.api]\ntargets = [\"{}\", \"{}\"]\n\
         passive = {{ max_fails = 1, fail_timeout = \"100ms\" }}",
        spare.address, other.address
    ));
    bench.handle.reload().await.unwrap();
    while other.requests() == 0 {
        bench.get().await;
    }
    seen.until(Kind::InstanceEjected).await;
    seen.until(Kind::InstanceReadmitted).await;
    seen.end(bench).await
}

fn of_ours(more: &str) -> String {
    format!(
        "[services.api]\ncommand = \"task\"\n{more}\n\
         restart = {{ backoff = \"1ms\", max_backoff = \"2ms\" }}"
    )
}

fn request(version: &str) -> DeployRequest {
    DeployRequest {
        service: "api".to_owned(),
        release: Wanted::Version(version.to_owned()),
        overrides: Overrides::default(),
        without: Vec::new(),
        who: "ops".to_owned(),
    }
}

/// Starts, ends, deploys.
async fn of_instances_of_ours() -> BTreeSet<Kind> {
    let driver = TaskDriver::default();
    let text = of_ours("version = \"1\"\ndeploy = { bake = \"0s\", drain = \"1s\" }");
    let bench = Bench::start_by(&text, FakeNames::default(), Arc::new(driver.clone())).await;
    let mut seen = Seen::of(&bench);
    for kind in [
        Kind::Serving,
        Kind::DeployStarted,
        Kind::InstanceStarting,
        Kind::InstanceReady,
        Kind::DeployStep,
        Kind::DeployFinished,
    ] {
        seen.until(kind).await;
    }
    // What is open on the old release when the next has come is cut off in the end.
    let instance = driver.named("api-1").pop().unwrap();
    instance.holds();
    let open = tokio::spawn({
        let address = bench.address().await;
        async move { crate::bench::Client::connect(address).await.get().await }
    });
    bench.until("it has a request", |_| instance.requests() > 0).await;
    bench.handle.deploy(request("2")).await.unwrap();
    seen.until(Kind::DrainCutOff).await;
    seen.until(Kind::InstanceStopped).await;
    seen.until(Kind::DeployFinished).await;
    drop(open);

    driver.find_fault("whether it may");
    bench.handle.deploy(request("3")).await.unwrap_err();
    let Event::DeployRefused(refused) = seen.until(Kind::DeployRefused).await else {
        unreachable!()
    };
    assert_eq!((refused.who.as_str(), refused.version.as_str()), ("ops", "3"));

    bench.write(&of_ours("version = \"9\""));
    bench.handle.reload().await.unwrap();
    seen.until(Kind::ReleaseDiffers).await;

    let mut ended = 0;
    for kind in [Kind::InstanceRestarting, Kind::InstanceCrashLoop] {
        while !seen.kinds.contains(&kind) {
            let running = || driver.named("api-2").len();
            bench.until("it runs again", |_| running() > ended).await;
            ended = running();
            driver.named("api-2")[ended - 1].fails();
            seen.until_one_of(&[Kind::InstanceRestarting, Kind::InstanceCrashLoop]).await;
        }
    }
    seen.end(bench).await
}

/// A first release that never comes up.
async fn of_a_first_release() -> BTreeSet<Kind> {
    let driver = TaskDriver::default();
    driver.sicken();
    let text = of_ours(
        "version = \"1\"\n\
         health = { path = \"/health\", interval = \"20ms\", timeout = \"1s\" }",
    );
    let bench = Bench::start_by(&text, FakeNames::default(), Arc::new(driver.clone())).await;
    let mut seen = Seen::of(&bench);
    seen.until(Kind::InstanceNotReady).await;
    driver.named("api-1")[0].fails();
    seen.until(Kind::InstanceEnded).await;
    seen.until(Kind::FirstReleaseFailed).await;
    seen.end(bench).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_event_is_reached_or_says_why_it_is_not() {
    let (one, two, three, four) = tokio::join!(
        of_the_configuration(),
        of_instances_of_others(),
        of_instances_of_ours(),
        of_a_first_release(),
    );
    let reached: BTreeSet<Kind> = [one, two, three, four].into_iter().flatten().collect();
    let elsewhere: BTreeSet<Kind> = ELSEWHERE.iter().map(|(kind, _)| *kind).collect();
    let missing: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| !reached.contains(kind) && !elsewhere.contains(kind))
        .collect();
    assert!(missing.is_empty(), "reach them, or say why not: {missing:?}");
}
