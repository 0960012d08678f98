//! A drained instance gets nothing new, and what is open on it ends in peace.

use balance::{Access, Standing};
use control::InstanceError;

use crate::bench::{Bench, Client, Origin, instance};

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
    assert_eq!((drained.standing, drained.access), (Standing::Drained, Access::Barred));
    assert_eq!(drained.in_flight, 1);
    for _ in 0..20 {
        assert_eq!(bench.get().await, (200, "other".into()));
    }
    assert_eq!(one.requests(), 1);

    one.hold(false);
    bench.until("nothing in flight", |status| instance(status, &name).in_flight == 0).await;
    for answer in open {
        assert_eq!(answer.await.unwrap().unwrap().0, 200);
    }

    bench.handle.reload().await.unwrap();
    let status = bench.handle.status().await.unwrap();
    assert_eq!(instance(&status, &name).standing, Standing::Drained, "a reload keeps it");

    let enabled = bench.handle.enable("api", &name).await.unwrap();
    assert_eq!(enabled.standing, Standing::Healthy);
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
