//! A drained instance gets nothing new, and what is open on it ends in peace.

use std::time::Duration;

use balance::{Access, Eligibility};
use control::InstanceError;

use crate::bench::{Bench, Client, FakeNames, Origin, instance};

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_instance_gets_nothing_new_and_loses_nothing_open() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let text = format!("[services.api]\ntargets = [\"{}\", \"{}\"]", one.address, other.address);
    let bench = Bench::start(&text).await;
    let name = one.address.to_string();
    one.hold(true);
    let address = bench.address().await;
    let mut open = Vec::new();
    while one.requests() == 0 {
        let mut client = Client::connect(address).await;
        let (tell, told) = tokio::sync::oneshot::channel();
        open.push(told);
        tokio::spawn(async move { tell.send(client.get().await) });
        bench
            .until("one more under way or answered", |_| {
                one.requests() + other.requests() >= open.len()
            })
            .await;
    }
    let drained = bench.handle.drain("api", &name).await.unwrap();
    assert_eq!((drained.eligibility, drained.access), (Eligibility::Drained, Access::Barred));
    assert_eq!(drained.in_flight, 1);
    let older = |status: &control::Status| {
        let open = instance(status, &name).open;
        open.is_some_and(|open| open.requests == 1 && open.oldest >= Duration::from_millis(200))
    };
    let status = bench.until("what is open grows old", older).await;
    let idle = other.address.to_string();
    assert_eq!(instance(&status, &idle).open, None, "nothing is open on the other");
    for _ in 0..20 {
        assert_eq!(bench.get().await, (200, "other".into()));
    }
    assert_eq!(one.requests(), 1);

    one.hold(false);
    let status =
        bench.until("nothing in flight", |status| instance(status, &name).in_flight == 0).await;
    assert_eq!(instance(&status, &name).open, None);
    for answer in open {
        assert_eq!(answer.await.unwrap().unwrap().0, 200);
    }

    bench.handle.reload().await.unwrap();
    let status = bench.handle.status().await.unwrap();
    assert_eq!(instance(&status, &name).eligibility, Eligibility::Drained, "a reload keeps it");

    let enabled = bench.handle.enable("api", &name).await.unwrap();
    assert_eq!(enabled.eligibility, Eligibility::Healthy);
    bench.get_until("traffic comes back", || one.requests() > 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
    let one = Origin::start("one").await;
    let name = one.address.to_string();
    let bench = Bench::start(&format!("[services.api]\ntargets = [\"{name}\"]")).await;
    let error = bench.handle.drain("apii", &name).await.unwrap_err();
    let near = vec!["api".to_owned()];
    assert_eq!(error, InstanceError::UnknownService { service: "apii".into(), near });
    let error = bench.handle.enable("api", &format!("{name}0")).await.unwrap_err();
    assert!(matches!(error, InstanceError::UnknownInstance { near, .. } if near == [name]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_a_drain_and_since_when() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let text = format!("[services.api]\ntargets = [\"{}\", \"{}\"]", one.address, other.address);
    let mut bench = Bench::start(&text).await;
    let name = one.address.to_string();
    let since = bench.handle.drain("api", &name).await.unwrap().drained_since.unwrap();
    bench.restart().await;
    let status = bench.handle.status().await.unwrap();
    let stands = instance(&status, &name);
    assert_eq!(stands.eligibility, Eligibility::Drained);
    let off = since.duration_since(stands.drained_since.unwrap()).unwrap();
    assert!(off < Duration::from_secs(1), "the file keeps whole seconds, not {off:?}");
    for _ in 0..10 {
        assert_eq!(bench.get().await, (200, "other".into()));
    }
    bench.handle.enable("api", &name).await.unwrap();
    bench.restart().await;
    let status = bench.handle.status().await.unwrap();
    assert_eq!(
        instance(&status, &name).eligibility,
        Eligibility::Healthy,
        "what is enabled stays so"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_list_of_drains_keeps_nobody_from_starting() {
    let one = Origin::start("one").await;
    let name = one.address.to_string();
    let mut bench = Bench::start(&format!("[services.api]\ntargets = [\"{name}\"]")).await;
    bench.handle.drain("api", &name).await.unwrap();
    std::fs::write(bench.state("drains"), "plimsoll drains 1\n17 api").unwrap();
    bench.restart().await;
    assert_eq!(bench.get().await, (200, "one".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_goes_and_returns_stays_drained() {
    let one = Origin::start("one").await;
    let port = one.address.port();
    let names = FakeNames::default();
    names.set("app.internal", &["127.0.0.1", "127.0.0.2"]);
    let text = format!("[services.api]\ntargets = [\"app.internal:{port}\"]");
    let bench = Bench::start_with(&text, names).await;
    let name = format!("app.internal:{port}/127.0.0.1");
    bench.handle.drain("api", &name).await.unwrap();
    bench.names.set("app.internal", &["127.0.0.2"]);
    let gone = |status: &control::Status| status.services[0].instances.len() == 1;
    let status = bench.until("the address is gone", gone).await;
    let away = &status.services[0].drained_away;
    assert_eq!(away.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [name.as_str()]);
    bench.names.set("app.internal", &["127.0.0.1", "127.0.0.2"]);
    let back = |status: &control::Status| status.services[0].instances.len() == 2;
    let status = bench.until("the address is back", back).await;
    assert_eq!(instance(&status, &name).eligibility, Eligibility::Drained);
    assert!(status.services[0].drained_away.is_empty());
    assert_eq!(bench.get().await.0, 502, "only the address where nobody is gets requests");
    assert_eq!(one.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_taken_out_of_the_file_loses_its_drain() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let both = format!("[services.api]\ntargets = [\"{}\", \"{}\"]", one.address, other.address);
    let bench = Bench::start(&both).await;
    let name = one.address.to_string();
    bench.handle.drain("api", &name).await.unwrap();
    bench.write(&format!("[services.api]\ntargets = [\"{}\"]", other.address));
    bench.handle.reload().await.unwrap();
    bench.write(&both);
    bench.handle.reload().await.unwrap();
    let status = bench.handle.status().await.unwrap();
    assert_eq!(instance(&status, &name).eligibility, Eligibility::Healthy);
}
