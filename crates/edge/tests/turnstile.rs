//! Requests of HTTP/1 begin in groups, so that what has begun is not overtaken by all that is new.

use std::sync::{Condvar, Mutex, PoisonError};

use testkit::{DEADLINE, Origin, RawClient, Step, TestEdge, eventually};

/// More than twice as many as begin at once on a worker, for each of the two that a test's edge has.
const CLIENTS: usize = 200;
const ROUNDS: usize = 5;

/// Sends all clients' requests at once, and reads all responses; `round` stands in them.
fn ask_all(clients: &mut [RawClient], round: usize) {
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /{round}/{n} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().text(), format!("/{round}/{n}"));
    }
}

#[test]
fn many_requests_are_let_in_group_by_group_and_all_are_served() {
    let (came, changed) = (Mutex::new(0), Condvar::new());
    // Responds once all requests of a round have come, so that all are under way together.
    let origin = Origin::start(move |request| {
        let mut count = came.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let whole = usize::div_ceil(*count, CLIENTS) * CLIENTS;
        changed.notify_all();
        let _all = changed.wait_timeout_while(count, DEADLINE, |count| *count < whole);
        vec![Step::answer(200, &request.target)]
    });
    let edge = TestEdge::start(&[origin.address()]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| RawClient::connect(edge.address())).collect();
    for round in 0..ROUNDS {
        ask_all(&mut clients, round);
    }
    // The first of each connection is read to see which version is spoken. Of the others, one worker at least has
    // more than a group at once.
    let least = (ROUNDS - 1) as u64;
    eventually("groups had to wait", || edge.edge.groups_held_back() >= least);
}
