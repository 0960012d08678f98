//! Requests of HTTP/1 begin in groups, so that what has begun is not overtaken by all that is new.

use testkit::{Origin, RawClient, TestEdge, eventually};

/// How many begin at once on a worker, and how many workers a test's edge has.
const GROUP: usize = 32;
const WORKERS: usize = 2;

#[test]
fn many_requests_are_let_in_group_by_group_and_all_are_served() {
    let origin = Origin::start(|request| vec![testkit::Step::answer(200, &request.target)]);
    let edge = TestEdge::start(&[origin.address()]);
    const ROUNDS: usize = 5;
    let mut clients: Vec<_> = (0..100).map(|_| RawClient::connect(edge.address())).collect();
    for round in 0..ROUNDS {
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{round}/{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.answer().text(), format!("/{round}/{n}"));
        }
    }
    // The first of each connection is read to see which version is spoken. Of the others, on each
    // worker, the one after a full group waits, whatever else is to be done.
    let least = ((ROUNDS - 1) * clients.len() / (GROUP + 1) - WORKERS) as u64;
    eventually("groups had to wait", || edge.edge.groups_held_back() >= least);
}
