//! Machines of several edges: one orders, the others wait for what it gets.

use std::time::{Duration, SystemTime};

use certificates::{
    Action, Budget, CertificateId, DirectoryUrl, Failed, FailureKind, Held, Machine, Now, Rules,
};

const DAY: Duration = Duration::from_secs(86_400);

fn now(seconds: u64) -> Now {
    let elapsed = Duration::from_secs(seconds);
    Now { wall: SystemTime::UNIX_EPOCH + 10_000 * DAY + elapsed, elapsed }
}

fn machine(ids: &[CertificateId], burst: u32) -> Machine {
    let directories = vec![DirectoryUrl::new("https://ca.example/dir")];
    let budget = Budget { every: Duration::from_secs(1_000), burst };
    let mut machine = Machine::new(Rules { directories, budget, at_once: 16, seed: 7 });
    machine.want(ids.iter().cloned());
    machine
}

fn held(now: Now) -> Held {
    Held { not_before: now.wall, not_after: now.wall + 90 * DAY, directory: None }
}

#[test]
fn what_is_left_to_another_edge_costs_nothing_and_is_looked_at_again() {
    let ids = ["a", "b"].map(CertificateId::new);
    let mut machine = machine(&ids, 2);
    let (begun, pause) = (now(10_000), Duration::from_secs(3));
    assert_eq!(machine.step(begun).len(), 2);
    machine.left(&ids[0], pause, begun);
    assert_eq!(machine.step(begun), [], "not at once");
    let status = machine.status(&ids[0], begun).unwrap();
    assert_eq!((status.trouble, status.next), (None, Some(begun.wall + pause)));
    // What it took of the budget is there: two at once, of which one is under way.
    let later = now(10_003);
    let actions = machine.step(later);
    assert!(matches!(&actions[..], [Action::Order { id, .. }] if *id == ids[0]), "{actions:?}");
    machine.left(&ids[0], pause, later);
    machine.found(&ids[0], held(later), later);
    assert!(machine.step(now(20_000)).iter().all(|it| !matches!(it, Action::Order { .. })));
    // Of what is not under way nothing is left.
    machine.left(&ids[0], pause, later);
}

#[test]
fn what_another_edge_has_ordered_ends_what_failed_here() {
    let ids = [CertificateId::new("a")];
    let mut machine = machine(&ids, 2);
    machine.step(now(0));
    let kind = FailureKind::Refused;
    let failed = Failed { kind, retry_after: None, problem: "no A record".into() };
    machine.ordered(&ids[0], Err(failed), now(1));
    assert!(machine.status(&ids[0], now(1)).unwrap().trouble.is_some());
    machine.found(&ids[0], held(now(2)), now(2));
    let status = machine.status(&ids[0], now(2)).unwrap();
    assert_eq!((status.trouble, status.held), (None, Some(held(now(2)))));
}

#[test]
fn a_directory_that_is_in_trouble_stays_so_when_an_order_is_left_to_another_edge() {
    let ids = ["a", "b"].map(CertificateId::new);
    let mut machine = machine(&ids, 9);
    machine.step(now(0));
    let down = || Failed { kind: FailureKind::Unreachable, retry_after: None, problem: "".into() };
    machine.ordered(&ids[0], Err(down()), now(1));
    machine.left(&ids[1], Duration::ZERO, now(1));
    assert_eq!(machine.step(now(2)), [], "it is left alone for a while");
}
