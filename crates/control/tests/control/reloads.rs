//! A configuration is taken up whole or not at all, and no request notices.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use balance::Eligibility;
use control::{Ended, PrepareError, ReloadError};
use model::{Generation, Revision};

use crate::bench::{Bench, Client, Origin, instance};

fn service(targets: &[&Origin], rest: &str) -> String {
    let targets: Vec<_> =
        targets.iter().map(|it| format!("{:?}", it.address.to_string())).collect();
    format!("[services.api]\ntargets = [{}]\n{rest}", targets.join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_says_why() {
    let one = Origin::start("one").await;
    let bench = Bench::start(&service(&[&one], "")).await;
    bench.write(&service(&[&one], "balans = \"random\""));
    let error = bench.handle.reload().await.unwrap_err();
    let ReloadError::Prepare(PrepareError::Config(config::LoadError::Invalid(all))) = &error else {
        panic!("{error:?}");
    };
    assert!(all.iter().any(|fault| fault.what.contains("balans")), "{all}");
    let status = bench.handle.status().await.unwrap();
    assert_eq!((status.revision, status.generation), (Revision(1), Generation(1)));
    let why = status.last_reload.unwrap().outcome.unwrap_err();
    assert!(why.contains("line 5: ") && why.contains("balans"), "{why}");
    assert_eq!(bench.get().await, (200, "one".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_changes_nothing() {
    let one = Origin::start("one").await;
    let bench = Bench::start(&service(&[&one], "")).await;
    bench.write(&format!(
        "{}\n[listeners.taken]\nbind = \"{}\"",
        service(&[&one], ""),
        one.address
    ));
    let error = bench.handle.reload().await.unwrap_err();
    assert!(matches!(error, ReloadError::Publish(edge::PublishError::Bind { .. })), "{error:?}");
    assert_eq!(bench.handle.status().await.unwrap().revision, Revision(1));
    assert_eq!(bench.get().await, (200, "one".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_keeps_its_record_and_what_is_new_serves() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = Bench::start(&service(&[&one], "")).await;
    bench.get().await;
    bench.write(&service(&[&one, &other], "balance = \"round_robin\""));
    let reloaded = bench.handle.reload().await.unwrap();
    assert_eq!(reloaded.revision, Revision(2));
    assert_eq!(reloaded.diff.services.changed, ["api".into()]);
    let name = one.address.to_string();
    bench.until("its record is kept", |status| instance(status, &name).totals.ok == 1).await;
    bench.get_until("what is new serves", || other.requests() > 0).await;

    bench.write(&service(&[&other], ""));
    bench.handle.reload().await.unwrap();
    let before = one.requests();
    for _ in 0..5 {
        assert_eq!(bench.get().await.1, "other");
    }
    assert_eq!(one.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_checks_take_effect() {
    let one = Origin::start("one").await;
    one.set_health(500);
    let name = one.address.to_string();
    let health = r#"health = { path = "/health", interval = "20ms", timeout = "1s" }"#;
    let bench = Bench::start(&service(&[&one], health)).await;
    bench.until("unhealthy", |status| instance(status, &name).reason.contains("500")).await;
    let tolerant = health.replace("timeout", "status = \"200-599\", timeout");
    bench.write(&service(&[&one], &tolerant));
    bench.handle.reload().await.unwrap();
    bench
        .until("healthy", |status| instance(status, &name).reason == "checks pass: status 500")
        .await;
    bench.write(&service(&[&one], ""));
    bench.handle.reload().await.unwrap();
    let status = bench.handle.status().await.unwrap();
    assert_eq!(instance(&status, &name).reason, "no checks are configured");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_gone_is_checked_no_more() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let health = r#"health = { path = "/health", interval = "10ms", timeout = "1s" }"#;
    let bench = Bench::start(&service(&[&one, &other], health)).await;
    bench.until("checked", |_| one.checks() > 1 && other.checks() > 1).await;
    bench.write(&service(&[&other], health));
    bench.handle.reload().await.unwrap();
    let (checked, other_checked) = (one.checks(), other.checks());
    bench.until("ten more checks", |_| other.checks() > other_checked + 10).await;
    assert!(one.checks() <= checked + 1, "none but one that was under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ejection_outlasts_a_reload_and_ends_when_ejection_is_switched_off() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    one.set_answer(503);
    let name = one.address.to_string();
    let passive = r#"passive = { max_fails = 1, fail_timeout = "1m" }"#;
    let bench = Bench::start(&service(&[&one, &other], passive)).await;
    let eligibility = |wanted| {
        let name = name.clone();
        move |status: &control::Status| instance(status, &name).eligibility == wanted
    };
    bench.get_until("asked", || one.requests() > 0).await;
    bench.until("ejected", eligibility(Eligibility::Ejected)).await;
    bench.write(&service(&[&one, &other], &format!("{passive}\nbalance = \"random\"")));
    bench.handle.reload().await.unwrap();
    let status = bench.handle.status().await.unwrap();
    assert!(eligibility(Eligibility::Ejected)(&status), "{status:?}");
    bench.write(&service(&[&one, &other], "passive = false"));
    bench.handle.reload().await.unwrap();
    let status = bench.handle.status().await.unwrap();
    assert!(eligibility(Eligibility::Healthy)(&status), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_goes_where_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let one = Origin::start("one").await;
    let mut bench = Bench::start(&service(&[&one], "")).await;
    let logging_to = |name: &str| {
        let path = dir.path().join(name);
        (service(&[&one], &format!("[log]\naccess = {path:?}")), path)
    };
    let (text, first) = logging_to("first.log");
    bench.write(&text);
    bench.handle.reload().await.unwrap();
    bench.get().await;
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    bench.until("a line in the first", |_| lines(&first) == 1).await;

    std::fs::rename(&first, dir.path().join("rotated.log")).unwrap();
    bench.handle.reload().await.unwrap();
    bench.get().await;
    bench.until("a line in a new one", |_| lines(&first) == 1).await;

    // Missing directories are made; below a file none can be.
    bench.write(&logging_to("first.log/dir.log").0);
    let error = bench.handle.reload().await.unwrap_err();
    assert!(matches!(error, ReloadError::Prepare(PrepareError::AccessLog { .. })), "{error:?}");
    bench.write(&text);
    bench.get().await;
    bench.restart().await;
    assert_eq!(lines(&first), 2, "the end waits for the last lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_fail_no_request() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = Bench::start(&service(&[&one, &other], "")).await;
    let address = bench.address().await;
    let ended = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let ended = ended.clone();
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut answers = 0;
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(client.get().await.unwrap().0, 200);
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for round in 0..30 {
        let targets: &[&Origin] = match round % 3 {
            0 => &[&one],
            1 => &[&other],
            _ => &[&one, &other],
        };
        bench.write(&service(targets, ""));
        bench.handle.reload().await.unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
    assert_eq!(bench.handle.status().await.unwrap().revision, Revision(31));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_open_exchanges_end() {
    let one = Origin::start("one").await;
    let bench = Bench::start(&service(&[&one], "")).await;
    one.hold(true);
    let mut client = Client::connect(bench.address().await).await;
    let open = tokio::spawn(async move { client.get().await });
    bench.until("under way", |_| one.requests() == 1).await;
    let handle = bench.handle.clone();
    let shutdown = tokio::spawn(async move { handle.shutdown(control::After::Stop).await });
    while bench.handle.status().await.is_ok() {
        tokio::task::yield_now().await;
    }
    one.hold(false);
    assert_eq!(open.await.unwrap().unwrap(), (200, "one".into()));
    assert_eq!(shutdown.await.unwrap(), Ok(0));
    assert_eq!(bench.handle.status().await.unwrap_err(), Ended);
}
