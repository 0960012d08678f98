//! TLS with a service's instances: its files are read with the configuration and when they change, and checks go the same way.

use std::path::Path;

use control::{PrepareError, ReloadError, ServiceStatus, Status};
use telemetry::event::Kind;
use telemetry::scrape::InstanceState;
use testkit::{Authority, TlsFront};
use wire::tls::Alpn;

use crate::bench::{Bench, Origin};

/// A service at `front` whose authority is in `dir`, and that is checked.
fn text(dir: &Path, front: &TlsFront, more: &str) -> String {
    format!(
        "[services.api]\ntargets = [\"https://{}\"]\ntls = {{ ca = {:?}{more} }}\n\
         health = {{ path = \"/health\", interval = \"20ms\", healthy = 1, unhealthy = 1 }}\n",
        front.address(),
        dir.join("ca.pem"),
    )
}

fn service(status: &Status) -> &ServiceStatus {
    &status.services[0]
}

fn is(state: InstanceState) -> impl Fn(&Status) -> bool {
    move |status| service(status).instances[0].state == state
}

fn write(dir: &Path, authority: &Authority) {
    std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_go_over_tls_and_other_authorities_hold_once_their_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::default(), Authority::default());
    let origin = Origin::start("one").await;
    let front = TlsFront::start(old.server(&[&["127.0.0.1"]], &[Alpn::Http1]), origin.address);
    write(dir.path(), &old);
    let bench = Bench::start(&text(dir.path(), &front, "")).await;
    bench.until("a check passes", is(InstanceState::Healthy)).await;
    assert_eq!(bench.get().await, (200, "one".to_owned()));
    let status = bench.handle.status().await.unwrap();
    let name = &service(&status).instances[0].name;
    assert_eq!(name.as_str(), front.address().to_string(), "without what stands before it");

    write(dir.path(), &new);
    let status = bench.until("it is not believed any more", is(InstanceState::Unhealthy)).await;
    let reason = &service(&status).instances[0].reason;
    assert!(reason.contains("no authority that is trusted here has issued it"), "{reason}");
    let has_told = |_: &Status| {
        let recent = bench.handle.events().recent();
        recent.iter().any(|it| it.event.kind() == Kind::ServiceTlsRenewed)
    };
    bench.until("it is told", has_told).await;

    write(dir.path(), &old);
    bench.until("it is believed again", is(InstanceState::Healthy)).await;
    std::fs::write(dir.path().join("ca.pem"), "nothing").unwrap();
    let has_fault = |status: &Status| service(status).certificate_fault.is_some();
    let status = bench.until("a broken file is told", has_fault).await;
    let why = service(&status).certificate_fault.clone().unwrap();
    assert!(why.contains("ca.pem is not a PEM file"), "{why}");
    assert_eq!(bench.get().await, (200, "one".to_owned()), "and changes nothing");
    let error = bench.handle.reload().await.unwrap_err();
    let ReloadError::Prepare(PrepareError::Certificates(bad)) = &error else { panic!("{error:?}") };
    assert!(bad.to_string().starts_with("service `api`: "), "{bad}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_goes_on_with_open_connections_unless_it_says_something_else_of_tls() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::default();
    let origin = Origin::start("one").await;
    let server = authority.server(&[&["127.0.0.1", "api.internal"]], &[Alpn::Http1]);
    let front = TlsFront::start(server, origin.address);
    write(dir.path(), &authority);
    let bench = Bench::start(&text(dir.path(), &front, "")).await;
    bench.until("a check passes", is(InstanceState::Healthy)).await;
    assert_eq!(bench.get().await.0, 200);
    let asked_by_name = || front.handshakes().iter().filter(|it| it.server_name.is_some()).count();
    bench.write(&(text(dir.path(), &front, "") + "slow_start = \"1s\"\n"));
    bench.handle.reload().await.unwrap();
    assert_eq!(bench.get().await.0, 200);
    assert_eq!(asked_by_name(), 0);
    assert!(front.handshakes().last().unwrap().is_resumed, "checks take their sessions up again");

    bench.write(&text(dir.path(), &front, ", server_name = \"api.internal\""));
    bench.handle.reload().await.unwrap();
    assert_eq!(bench.get().await.0, 200);
    bench.until("it is checked by that name", |_| asked_by_name() > 2).await;

    bench.write(&text(dir.path(), &front, ", server_name = \"other.internal\""));
    bench.handle.reload().await.unwrap();
    let status = bench.until("it is not for that name", is(InstanceState::Unhealthy)).await;
    let reason = &service(&status).instances[0].reason;
    assert!(reason.contains("it is for 127.0.0.1, api.internal"), "{reason}");
    assert_eq!(bench.get().await.0, 502);
}
