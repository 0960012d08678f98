//! Instances are watched all the time: the one that fails more often than its siblings is named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control::Status;
use telemetry::event::{EventId, Followed, Kind};

use crate::bench::{Bench, Client, FakeNames, Origin, instance};
use crate::tasks::{TaskDriver, names};

/// A second, as the watch counts them: what takes minutes takes a few of these.
const SECOND: Duration = Duration::from_millis(20);
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks as long as something is waited for.
async fn under_load<T>(bench: &Bench, wait: impl Future<Output = T>) -> T {
    let address = bench.address().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let client = |is_over: Arc<AtomicBool>| async move {
        let mut client = Client::connect(address).await;
        while !is_over.load(Ordering::Relaxed) {
            client.get().await.unwrap();
        }
    };
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(client(is_over.clone()))).collect();
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    waited.unwrap()
}

async fn is_told(bench: &Bench, kind: Kind) {
    let events = bench.handle.events();
    let mut follower = events.follow(Some(EventId { number: 0, ..events.last() }));
    loop {
        match follower.next().await {
            Some(Followed::Event(recorded)) if recorded.event.kind() == kind => return,
            Some(_) => {}
            None => panic!("the events have ended"),
        }
    }
}

fn outliers(status: &Status) -> Vec<String> {
    let outliers = status.services[0].instances.iter().filter(|it| it.outlier.is_some());
    outliers.map(|it| it.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_of_four_that_fails_is_named_and_not_its_siblings() {
    let mut origins = Vec::new();
    for name in ["one", "two", "three", "four"] {
        origins.push(Origin::start(name).await);
    }
    origins[2].set_answer(501);
    let targets: Vec<String> = origins.iter().map(|it| format!("\"{}\"", it.address)).collect();
    let text = format!("[services.api]\ntargets = [{}]\npassive = false\n", targets.join(", "));
    let bench = Bench::start_at(&text, FakeNames::default(), None, SECOND).await;
    under_load(&bench, is_told(&bench, Kind::InstanceOutlier)).await;
    let status = bench.handle.status().await.unwrap();
    let bad = origins[2].address.to_string();
    assert_eq!(outliers(&status), std::slice::from_ref(&bad));
    let told = instance(&status, &bad);
    assert!(told.reason.contains("its siblings"), "{}", told.reason);
    let outlier = told.outlier.as_ref().unwrap();
    assert_eq!((outlier.failed, outlier.siblings_failed), (outlier.requests, 0), "{outlier:?}");
    let metrics = bench.handle.scrape().await.unwrap();
    let gauge = |address: &str, value: u8| {
        format!(
            "plimsoll_instance_outlier{{service=\"api\",service_instance=\"{address}\"}} {value}"
        )
    };
    assert!(metrics.contains(&gauge(&bad, 1)), "{metrics}");
    assert!(metrics.contains(&gauge(&origins[0].address.to_string(), 0)), "{metrics}");

    origins[2].set_answer(200);
    under_load(&bench, is_told(&bench, Kind::InstanceOutlierOver)).await;
    assert!(outliers(&bench.handle.status().await.unwrap()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_plimsoll_runs_is_replaced_if_the_file_says_so() {
    let driver = TaskDriver::default();
    let text = "[services.api]\ncommand = \"task\"\nversion = \"1\"\nreplicas = 3\npassive = false\n\
                outliers = \"replace\"\ndeploy = { bake = \"0s\" }\n";
    let given = Some(Arc::new(driver.clone()) as Arc<dyn driver::Driver>);
    let bench = Bench::start_at(text, FakeNames::default(), given, SECOND).await;
    let is_up = |status: &Status| {
        let run = status.services[0].run.as_ref();
        run.is_some_and(|run| run.deploy.is_none()) && status.services[0].instances.len() == 3
    };
    bench.until("all serve", is_up).await;
    driver.named("api-2")[0].answers(501);
    under_load(&bench, is_told(&bench, Kind::OutlierReplaced)).await;
    bench.until("another is there", |_| !driver.named("api-4").is_empty()).await;
    let left = names(&["api-1", "api-3", "api-4"]);
    let running = || driver.running().into_iter().collect::<BTreeSet<_>>();
    bench.until("it is gone", |_| running() == left).await;
    let status = bench.until("three serve", |status| status.services[0].instances.len() == 3).await;
    assert!(outliers(&status).is_empty());
}
