//! What a finding shows: which requests, on which instances and routes, since when.

use std::sync::Arc;

use super::*;

/// A failure on `instance` of the new release, by the route `/orders`.
fn failure_on(instance: &str, now: Duration, number: u64) -> Observed {
    let mut failure = failure(now, number, Assignment::Drawn, 12);
    failure.place.instance = InstanceName::from(instance);
    failure.place.route = Some(route("/orders"));
    failure
}

/// A block in which both instances of the new release had ten requests each, of which these failed.
fn block_with(failures: Vec<Observed>, share: Option<f64>, stable: u64) -> Block {
    let of = |instance: &str| {
        let failed =
            failures.iter().filter(|it| it.place.instance.as_str() == instance).count() as u64;
        let mut count = count(Side::Canary, Some("/orders"), had(10, failed));
        count.place.instance = InstanceName::from(instance);
        count
    };
    let mut counts = vec![of("api-2"), of("api-3")];
    counts.push(count(Side::Stable, Some("/orders"), had(stable, 0)));
    let routes = [(route("/orders"), Arc::from("orders"))].into();
    Block { share, counts, observed: failures, routes, ..Block::default() }
}

fn worse(told: &Told) -> Fault {
    match told.judge.verdict() {
        Verdict::Worse(fault) => fault,
        other => panic!("{other}"),
    }
}

/// The numbers of its examples.
fn ids(fault: &Fault) -> Vec<u64> {
    let number = |id: &str| u64::from_str_radix(id, 16).unwrap();
    fault.examples.iter().map(|example| number(&example.request_id)).collect()
}

#[test]
fn a_finding_shows_the_latest_requests_as_they_were_and_which_instances_were_hit() {
    let sound = (0..40)
        .fold(Told::new(), |told, _| told.block(block_with(Vec::new(), Some(0.5), 20), HALF));
    let since = sound.now;
    let told = (0..6).fold(sound, |told, n| {
        let failures = vec![
            failure_on("api-2", told.now, n * 4),
            failure_on("api-3", told.now, n * 4 + 1),
            failure_on("api-2", told.now, n * 4 + 2),
        ];
        told.block(block_with(failures, Some(0.5), 20), HALF)
    });
    let fault = worse(&told);
    let latest = &fault.examples[0];
    assert_eq!(
        (fault.examples.len(), latest.instance.as_str(), latest.route.as_deref()),
        (5, "api-2", Some("orders"))
    );
    assert_eq!(
        (latest.status, latest.fate, latest.latency),
        (Some(500), Fate::Failed, Duration::from_millis(12))
    );
    let ids = ids(&fault);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "the latest first: {ids:?}");
    let struck: Vec<_> = fault.struck.iter().map(|it| (it.instance.as_str(), it.hits)).collect();
    let all = fault.canary.hits;
    assert_eq!(struck, [("api-2", all / 3 * 2), ("api-3", all / 3)]);
    assert!(
        fault.since >= since && fault.since <= since + Duration::from_secs(1),
        "{:?}",
        fault.since
    );
}

#[test]
fn a_fault_in_the_first_minute_of_the_machines_time_begins_with_its_first_failure_too() {
    let young = Told { now: Duration::ZERO, ..Told::new() };
    let sound =
        (0..40).fold(young, |told, _| told.block(block_with(Vec::new(), Some(0.5), 20), HALF));
    let since = sound.now;
    let told = (0..6).fold(sound, |told, n| {
        let failures = ["api-2", "api-3", "api-2"]
            .iter()
            .zip(n * 3..)
            .map(|(it, id)| failure_on(it, told.now, id))
            .collect();
        told.block(block_with(failures, Some(0.5), 20), HALF)
    });
    let fault = worse(&told);
    let began = fault.since.checked_sub(since);
    assert!(began.is_some_and(|after| after <= Duration::from_secs(1)), "{:?}", fault.since);
    assert!(fault.stable.requests < 40 * 20, "{:?}", fault.stable);
}

/// A past in which a thousand requests for orders succeeded.
fn past_of_orders() -> OldPast {
    let past = PastRoute {
        route: Some(route("/orders")),
        fates: Fates { ok: 1000, ..Fates::default() },
        latencies: Latencies::default(),
    };
    OldPast { spans: vec![PastSpan { until: Duration::from_secs(100), routes: vec![past] }] }
}

#[test]
fn beside_its_past_too_a_finding_shows_requests_and_since_when() {
    let past = past_of_orders();
    let mut told = Told::new();
    told.judge = Judge::with_past(&model::Judge::default(), &past);
    let told = (0..40).fold(told, |told, _| told.block(block_with(Vec::new(), None, 0), GONE));
    let since = told.now;
    let told = (0..40).fold(told, |told, n| {
        let failures = (0..5).map(|k| failure_on("api-3", told.now, n * 5 + k)).collect();
        told.block(block_with(failures, None, 0), GONE)
    });
    let fault = worse(&told);
    assert_eq!((fault.basis, fault.examples.len()), (Basis::Past, 5));
    assert_eq!(fault.struck[0].instance.as_str(), "api-3");
    assert!(
        fault.since >= since && fault.since <= since + Duration::from_secs(1),
        "{:?}",
        fault.since
    );
}

#[test]
fn what_fails_from_the_first_request_on_is_so_since_then_and_not_since_the_machine_began() {
    let past = past_of_orders();
    // Beside its past, and beside the old release and a limit.
    for (past, share, stable, serving) in
        [(past, None, 0, GONE), (OldPast::default(), Some(0.5), 20, HALF)]
    {
        let rules = model::Judge { max_error_rate: Some(0.01), ..model::Judge::default() };
        let mut told = Told::new();
        told.judge = Judge::with_past(&rules, &past);
        let since = told.now;
        let told = (0..40).fold(told, |told, n| {
            let failures = ["api-2", "api-3", "api-2", "api-3"].iter().zip(n * 4..);
            let failures = failures.map(|(it, id)| failure_on(it, told.now, id)).collect();
            told.block(block_with(failures, share, stable), serving)
        });
        let fault = worse(&told);
        let began = fault.since.checked_sub(since);
        assert!(
            began.is_some_and(|after| after <= Duration::from_secs(1)),
            "{:?}: {began:?}",
            fault.basis
        );
    }
}

#[test]
fn of_one_bad_instance_its_own_requests_are_shown() {
    let told = (0..60).fold(Told::new(), |told, n| {
        // Every request of one fails, and now and then one of the other.
        let mut failures: Vec<_> =
            (0..5).map(|k| failure_on("api-3", told.now, n * 8 + k)).collect();
        failures.extend((n % 8 == 7).then(|| failure_on("api-2", told.now, n * 8 + 7)));
        match told.judge.has_found() {
            true => told,
            false => told.block(block_with(failures, Some(0.5), 20), HALF),
        }
    });
    let Verdict::BadInstance(fault) = told.judge.verdict() else { panic!("{}", told.says()) };
    assert_eq!(fault.instance, Some("api-3".into()));
    assert!(
        !fault.examples.is_empty()
            && fault.examples.iter().all(|it| it.instance.as_str() == "api-3")
    );
    assert_eq!(fault.struck.len(), 1);
}
