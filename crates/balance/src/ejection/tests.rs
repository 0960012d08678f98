//! The ejector's rules, one at a time; all of them together are simulated in `tests/properties`.

use std::num::NonZeroU32;

use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;

fn ejector(max_ejected: f64, count: usize) -> (Ejector, Vec<InstanceName>) {
    let rule = Passive { max_fails: NonZeroU32::new(3).unwrap(), fail_timeout: S(10), max_ejected };
    let names: Vec<InstanceName> =
        (0..count).map(|number| format!("api-{number}").into()).collect();
    let mut ejector = Ejector::new(rule);
    for instance in &names {
        ejector.step(S(0), present(instance, Fitness::Fit));
    }
    (ejector, names)
}

fn present(instance: &InstanceName, fitness: Fitness) -> Event<'_> {
    Event::Present { instance, cohort: Cohort::default(), fitness }
}

const OLD: Cohort = Cohort(6);
const NEW: Cohort = Cohort(7);

/// Instances of two releases, so many of the old one and so many of the new one.
fn two_releases(max_ejected: f64, counts: [usize; 2]) -> (Ejector, [Vec<InstanceName>; 2]) {
    let (mut ejector, _) = ejector(max_ejected, 0);
    let names = [("old", counts[0]), ("new", counts[1])].map(|(release, count)| {
        let name = |number| InstanceName::from(format!("api-{release}-{number}"));
        (0..count).map(name).collect::<Vec<_>>()
    });
    for (cohort, names) in [OLD, NEW].into_iter().zip(&names) {
        for instance in names {
            ejector.step(S(0), Event::Present { instance, cohort, fitness: Fitness::Fit });
        }
    }
    (ejector, names)
}

fn fail(ejector: &mut Ejector, now: u64, instance: &InstanceName) -> Vec<Transition> {
    ejector.step(S(now), Event::Failed { instance, in_a_row: 3 })
}

fn readmitted(instance: &InstanceName, reason: Reason) -> Transition {
    Transition::Readmitted { instance: instance.clone(), reason }
}

#[test]
fn failures_in_a_row_eject_until_the_timeout_is_over() {
    let (mut ejector, names) = ejector(0.5, 4);
    let two = Event::Failed { instance: &names[0], in_a_row: 2 };
    assert_eq!(ejector.step(S(1), two), []);
    let cause = Cause::InARow(3);
    let out = Transition::Ejected { instance: names[0].clone(), until: S(11), cause };
    assert_eq!(fail(&mut ejector, 1, &names[0]), [out]);
    assert_eq!(fail(&mut ejector, 2, &names[0]), [], "it is out already");
    assert_eq!(ejector.next_deadline(), Some(S(11)));
    assert_eq!(ejector.step(S(10), Event::Tick), []);
    assert_eq!(ejector.step(S(11), Event::Tick), [readmitted(&names[0], Reason::Served)]);
    assert_eq!(ejector.next_deadline(), None);
}

#[test]
fn half_of_the_attempts_failing_ejects() {
    let (mut ejector, names) = ejector(0.5, 2);
    let mut sample = |now, successes, failures| {
        let outcomes = Outcomes { successes, failures };
        ejector.step(S(now), Event::Sampled { instance: &names[0], outcomes })
    };
    assert_eq!(sample(0, 0, 90), [], "what was before the first sample is not known");
    assert_eq!(sample(1, 2, 92), [], "two failures are too few");
    assert_eq!(sample(2, 5, 94), [], "four of nine are less than half");
    let cause = Cause::Rate(Outcomes { successes: 5, failures: 5 });
    let out = Transition::Ejected { instance: names[0].clone(), until: S(13), cause };
    assert_eq!(sample(3, 5, 95), [out]);
    assert_eq!(sample(8, 5, 95), []);
    assert_eq!(sample(12, 5, 105), [], "what ends while it is out does not count");
    assert_eq!(sample(13, 5, 105), [readmitted(&names[0], Reason::Served)]);
    assert_eq!(sample(14, 5, 107), []);
}

#[test]
fn each_ejection_that_follows_soon_is_twice_as_long() {
    let (mut ejector, names) = ejector(0.5, 2);
    fail(&mut ejector, 0, &names[0]);
    for (now, until) in [(10, 30), (30, 70), (70, 150), (150, 250), (250, 350)] {
        fail(&mut ejector, now, &names[0]);
        assert_eq!(ejector.ejected_until(&names[0]), Some(S(until)));
    }
}

#[test]
fn no_more_than_the_share_are_out() {
    let (mut ejector, names) = ejector(0.5, 5);
    let out = names.iter().filter(|name| !fail(&mut ejector, 1, name).is_empty()).count();
    assert_eq!(out, 2);
    let (mut ejector, names) = self::ejector(0.1, 3);
    let out = names.iter().filter(|name| !fail(&mut ejector, 1, name).is_empty()).count();
    assert_eq!(out, 1, "one may be out however small the share");
    let (mut ejector, names) = self::ejector(0.0, 3);
    assert_eq!(fail(&mut ejector, 1, &names[0]), [], "a share of nothing is nobody");
}

#[test]
fn a_burst_ejects_no_whole_release_while_two_serve() {
    for max_ejected in [0.5, 1.0] {
        let (mut ejector, [old, new]) = two_releases(max_ejected, [4, 4]);
        let mut out = |names: &[InstanceName]| {
            names.iter().filter(|name| !fail(&mut ejector, 1, name).is_empty()).count()
        };
        let limit = (max_ejected * 4.0) as usize;
        assert_eq!([out(&old), out(&new)], [limit.min(3); 2], "of {max_ejected}");
    }
}

#[test]
fn of_a_release_with_one_instance_none_is_ejected_however_many_the_other_has() {
    let (mut ejector, [old, new]) = two_releases(1.0, [9, 1]);
    assert_eq!(fail(&mut ejector, 1, &new[0]), []);
    assert_eq!(fail(&mut ejector, 1, &old[0]).len(), 1, "the old one has others");
}

#[test]
fn an_instance_of_one_release_does_not_stand_in_for_those_of_the_other() {
    let (mut ejector, [old, _]) = two_releases(0.5, [2, 4]);
    fail(&mut ejector, 1, &old[0]);
    let ill = Event::Present { instance: &old[1], cohort: OLD, fitness: Fitness::Unfit };
    assert_eq!(ejector.step(S(2), ill), [readmitted(&old[0], Reason::Needed)]);
    // One fewer than two leaves nothing to be ejected.
    let (mut ejector, [old, _]) = two_releases(0.5, [2, 4]);
    fail(&mut ejector, 1, &old[0]);
    let gone = Event::Gone { instance: &old[1] };
    assert_eq!(ejector.step(S(2), gone), [readmitted(&old[0], Reason::Needed)]);
}

#[test]
fn the_last_one_is_never_ejected() {
    let (mut ejector, names) = ejector(1.0, 3);
    assert_eq!(fail(&mut ejector, 1, &names[0]).len(), 1);
    assert_eq!(fail(&mut ejector, 1, &names[1]).len(), 1);
    assert_eq!(fail(&mut ejector, 1, &names[2]), []);
    let (mut ejector, names) = self::ejector(1.0, 1);
    assert_eq!(fail(&mut ejector, 1, &names[0]), []);
}

#[test]
fn one_returns_when_the_others_cannot_serve() {
    let (mut ejector, names) = ejector(1.0, 3);
    fail(&mut ejector, 1, &names[0]);
    fail(&mut ejector, 2, &names[1]);
    let ill = present(&names[2], Fitness::Unfit);
    assert_eq!(ejector.step(S(3), ill), [readmitted(&names[0], Reason::Needed)]);
    assert_eq!(fail(&mut ejector, 3, &names[0]), [], "it is the last one now");
    let gone = Event::Gone { instance: &names[0] };
    assert_eq!(ejector.step(S(4), gone), [readmitted(&names[1], Reason::Needed)]);
}

#[test]
fn those_return_whom_a_smaller_service_cannot_spare() {
    let (mut ejector, names) = ejector(0.5, 4);
    fail(&mut ejector, 1, &names[1]);
    fail(&mut ejector, 2, &names[0]);
    let gone = Event::Gone { instance: &names[3] };
    assert_eq!(ejector.step(S(3), gone), [readmitted(&names[1], Reason::Needed)]);
}

#[test]
fn the_unfit_are_not_ejected() {
    let (mut ejector, names) = ejector(0.5, 3);
    let ill = present(&names[0], Fitness::Unfit);
    ejector.step(S(1), ill);
    assert_eq!(fail(&mut ejector, 2, &names[0]), []);
}

#[test]
fn another_rule_holds_at_once() {
    let (mut ejector, names) = ejector(0.5, 4);
    fail(&mut ejector, 1, &names[0]);
    fail(&mut ejector, 2, &names[1]);
    let rule = Passive { max_ejected: 0.25, ..ejector.rule.clone() };
    assert_eq!(ejector.set_rule(S(3), rule), [readmitted(&names[0], Reason::Needed)]);
    assert_eq!(ejector.disband(), [readmitted(&names[1], Reason::Disbanded)]);
}

#[test]
fn strangers_are_ignored() {
    let (mut ejector, _) = ejector(0.5, 2);
    let stranger = InstanceName::from("api-9");
    assert_eq!(fail(&mut ejector, 1, &stranger), []);
    let outcomes = Outcomes { successes: 0, failures: 9 };
    assert_eq!(ejector.step(S(1), Event::Sampled { instance: &stranger, outcomes }), []);
    assert_eq!(ejector.step(S(1), Event::Gone { instance: &stranger }), []);
}
