//! Active checks and failed requests take instances out, and bring them back.

use std::time::{Duration, Instant};

use balance::{Access, Eligibility, Mode, Role};
use control::{InstanceState, Status};

use crate::bench::{Bench, Origin, instance};

const HEALTH: &str = r#"health = { path = "/health", interval = "50ms", timeout = "40ms" }"#;

fn two(one: &Origin, other: &Origin, rest: &str) -> String {
    format!("[services.api]\ntargets = [\"{}\", \"{}\"]\n{rest}", one.address, other.address)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_dies_is_left_out_and_comes_back() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = Bench::start(&two(&one, &other, HEALTH)).await;
    let (name, other_name) = (one.address.to_string(), other.address.to_string());
    let is = |name: &str, eligibility, reason: &str| {
        let (name, reason) = (name.to_owned(), reason.to_owned());
        move |status: &control::Status| {
            let instance = instance(status, &name);
            instance.eligibility == eligibility && instance.reason.starts_with(&reason)
        }
    };
    bench
        .until("both checked", |status| {
            is(&name, Eligibility::Healthy, "checks pass")(status)
                && is(&other_name, Eligibility::Healthy, "checks pass")(status)
        })
        .await;

    let died = Instant::now();
    let grave = one.kill().await;
    let status = bench.until("unhealthy", is(&name, Eligibility::Unhealthy, "")).await;
    // Three checks in a row, each an interval after the other, and what a busy machine takes.
    assert!(died.elapsed() < Duration::from_millis(1_500), "{:?}", died.elapsed());
    let instance_is = instance(&status, &name);
    assert!(instance_is.reason.contains("checks failed in "), "{instance_is:?}");
    assert!(instance_is.reason.ends_with(": connection refused"), "{instance_is:?}");
    assert_eq!(instance_is.access, Access::Barred);
    for _ in 0..20 {
        assert_eq!(bench.get().await, (200, "other".into()));
    }

    let one = grave.rise().await;
    bench.until("healthy again", is(&name, Eligibility::Healthy, "checks pass")).await;
    bench.get_until("traffic comes back with it", || one.requests() > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_fail_their_checks_and_all_still_serve() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    one.set_health(500);
    other.set_health(503);
    let bench = Bench::start(&two(&one, &other, HEALTH)).await;
    let panic = Mode::Panic(Role::Primary);
    let status = bench.until("panic", |status| status.services[0].mode == panic).await;
    for instance in &status.services[0].instances {
        assert_eq!(instance.eligibility, Eligibility::Unhealthy);
        assert_eq!(instance.access, Access::OpenInPanic);
    }
    bench.get_until("both serve", || one.requests() > 0 && other.requests() > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_fails_requests_is_ejected_and_readmitted() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    one.set_answer(500);
    let passive = r#"passive = { max_fails = 3, fail_timeout = "1s" }"#;
    let bench = Bench::start(&two(&one, &other, passive)).await;
    let name = one.address.to_string();
    while one.requests() < 3 {
        bench.get().await;
    }
    let status = bench
        .until("ejected", |status| instance(status, &name).eligibility == Eligibility::Ejected)
        .await;
    let reason = &instance(&status, &name).reason;
    assert!(reason.starts_with("3 failures in a row, back in "), "{reason}");
    one.set_answer(200);
    bench
        .until("readmitted", |status| instance(status, &name).eligibility == Eligibility::Healthy)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_instances_did_lately_is_told() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = Bench::start(&two(&one, &other, "")).await;
    for _ in 0..20 {
        bench.get().await;
    }
    let status = bench
        .until("counted", |status| {
            status.services[0].instances.iter().map(|it| it.recent.attempts).sum::<u64>() == 20
        })
        .await;
    for instance in &status.services[0].instances {
        assert!(instance.recent.attempts > 0, "in turn");
        assert_eq!(instance.recent.error_share, 0.0);
        assert!(instance.recent.p50.is_some() && instance.recent.p50 <= instance.recent.p99);
    }
    let text = bench.handle.scrape().await.unwrap();
    let requests = "plimsoll_requests_total{service=\"api\",class=\"2xx\"} 20\n";
    assert!(text.contains(requests) && text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("plimsoll_exchanges_total{ending=\"ok\"} 20\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_retry_is_told() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    one.set_answer(503);
    let bench = Bench::start(&two(&one, &other, "passive = false")).await;
    while one.requests() < 3 {
        assert_eq!(bench.get().await, (200, "other".into()));
    }
    let told = |status: &control::Status| status.services[0].retries == one.requests() as u64;
    bench.until("each retry is counted", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_checks_is_unchecked_and_what_fails_for_good_is_failing() {
    let origin = Origin::start("one").await;
    let name = origin.address.to_string();
    let bench = Bench::start(&format!("[services.api]\ntargets = [\"{name}\"]")).await;
    let is = |wanted: InstanceState| {
        let name = name.clone();
        move |status: &Status| instance(status, &name).state == wanted
    };
    bench.until("that nothing speaks for it", is(InstanceState::Unchecked)).await;
    let metric = async |what: &str| {
        let text = bench.handle.scrape().await.unwrap();
        let line = text.lines().find(|line| line.contains(what) && line.contains(&name)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(metric("plimsoll_instance_up{").await, "1");
    assert_eq!(metric("state=\"unchecked\"").await, "1");

    // It is the only one, so it is never ejected.
    origin.set_answer(503);
    for _ in 0..3 {
        assert_eq!(bench.get().await.0, 503);
    }
    let status = bench.until("that it fails", is(InstanceState::Failing)).await;
    let reason = &instance(&status, &name).reason;
    assert!(reason.starts_with("its last ") && reason.contains(" requests failed"), "{reason}");
    assert_eq!(metric("plimsoll_instance_up{").await, "0");
    assert_eq!(metric("state=\"failing\"").await, "1");

    origin.set_answer(200);
    assert_eq!(bench.get().await.0, 200);
    bench.until("that nothing speaks against it", is(InstanceState::Unchecked)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_request_would_get_as_502_is_unhealthy() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const NONSENSE: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let origin = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(NONSENSE).await;
        }
    });
    let bench = Bench::start(&format!("[services.api]\ntargets = [\"{name}\"]\n{HEALTH}\n")).await;
    let status = bench
        .until("unhealthy", |status| instance(status, &name).eligibility == Eligibility::Unhealthy)
        .await;
    let reason = &instance(&status, &name).reason;
    assert!(reason.contains("two framings: Transfer-Encoding is not chunked alone"), "{reason}");
    assert_eq!(bench.get().await.0, 502);
    origin.abort();
}
