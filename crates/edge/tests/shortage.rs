//! What this machine runs out of is no instance's fault. Alone in its process, whose limits it lowers.

use std::os::fd::AsRawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::{Origin, RawClient, TestEdge};

#[test]
fn an_instance_is_not_blamed_for_descriptors_that_we_lack() {
    let origin = Origin::polite("here");
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.service.retry.attempts = 1);
    let mut client = RawClient::connect(edge.address());
    // Answered by the edge itself, so that all that will be open is.
    assert_eq!(client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status, 405);
    let before = getrlimit(Resource::Nofile);
    // The lowest descriptor that is free: with a limit just there, no other can be had.
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    setrlimit(Resource::Nofile, Rlimit { current: Some(next as u64), ..before }).unwrap();
    let answer = client.get("/");
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
    let outcomes = edge.live(origin.address()).outcomes();
    assert_eq!(outcomes.total(), 0, "nobody is to blame but us");
    assert_eq!(client.get("/").text(), "here");
}
