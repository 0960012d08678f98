//! Bodies that are held until their request is believed: whole or not at all, bounded in size, time and memory, and sent on as if they
//! had just come.

use std::time::Duration;

use model::UpstreamProtocol;
use telemetry::Ending;
use testkit::edge::Wanted;
use testkit::origin::refusing_address;
use testkit::password::ended;
use testkit::signed::{APP_SECRET, HmacSigner, app};
use testkit::{
    H2Client, H2Origin, H2Step, Origin, Protocol, RawClient, Step, Talk, TestEdge, eventually,
};

use crate::Stage;
use crate::hmac::{asking, signed};

/// What is held of a body at the most.
const MOST: usize = 64 * 1024;

/// A body that begins to come, and stands still.
enum Begun {
    H1(RawClient),
    H2(H2Client, testkit::h2_client::Asked),
}

impl Begun {
    /// `talk` without its body, and then `part` of one.
    fn new(protocol: Protocol, stage: &Stage, talk: &Talk, part: &str) -> Self {
        match protocol {
            Protocol::H1 => {
                let mut client = RawClient::connect(stage.edge.address());
                client.send(talk.h1_head()).send(part);
                Self::H1(client)
            }
            Protocol::H2 => {
                let client = H2Client::connect(stage.edge.address());
                let mut asked = client.begin(talk.h2_head(), false);
                asked.send(part.as_bytes(), false);
                Self::H2(client, asked)
            }
        }
    }

    fn status(self) -> u16 {
        match self {
            Self::H1(mut client) => client.answer().status,
            Self::H2(client, asked) => client.answer(asked).status,
        }
    }

    fn leave(self) {
        match self {
            Self::H1(client) => client.reset(),
            Self::H2(_client, asked) => asked.reset(h2::Reason::CANCEL),
        }
    }
}

#[test]
fn what_is_longer_than_can_be_held_is_413_and_nothing_of_it_is_forwarded() {
    let stage = asking(|_, _| {});
    for protocol in Protocol::ALL {
        for (length, status) in [(MOST, 200), (MOST + 1, 413), (3 * MOST, 413)] {
            let put = || Talk::new("PUT", "/").body("x".repeat(length));
            // With something behind it, its length is not told before.
            for talk in [put(), put().trailer("X-Sum", "1")] {
                let told = stage.ask(protocol, signed(talk)).status;
                assert_eq!(told, status, "{protocol:?} {length}");
            }
        }
    }
    let bodies: Vec<_> = stage.origin.journal().iter().map(|it| it.body.len()).collect();
    assert_eq!(bodies, [MOST; 4]);
}

#[test]
fn the_route_s_own_limit_is_less_and_holds() {
    let stage = asking(|_, wanted| {
        wanted.routes[0].policies.body = Some(model::BodyLimit::Bytes(4));
    });
    for protocol in Protocol::ALL {
        for (body, status) in [("abcd", 200), ("abcde", 413)] {
            for talk in [
                Talk::new("POST", "/").body(body),
                Talk::new("POST", "/").body(body).trailer("X-Sum", "1"),
            ] {
                assert_eq!(stage.ask(protocol, signed(talk)).status, status, "{protocol:?}");
            }
        }
    }
}

#[test]
fn a_body_that_stands_still_is_408_and_the_instance_has_heard_nothing() {
    let stage = asking(|_, wanted| wanted.listener.timeouts.body_idle = Duration::from_millis(200));
    for protocol in Protocol::ALL {
        let talk = signed(Talk::new("POST", "/").body("user=alice"));
        assert_eq!(Begun::new(protocol, &stage, &talk, "user").status(), 408, "{protocol:?}");
    }
    assert_eq!(stage.origin.connections(), 0);
}

#[test]
fn a_client_that_leaves_in_the_middle_has_asked_for_nothing() {
    let stage = asking(|_, _| {});
    for protocol in Protocol::ALL {
        eventually("nothing is held", || stage.edge.edge.memory_held() == 0);
        let before = ended(&stage.edge, Ending::ClientClosed);
        let talk = signed(Talk::new("POST", "/").body("user=alice"));
        let begun = Begun::new(protocol, &stage, &talk, "user");
        eventually("it has arrived", || stage.edge.edge.memory_held() > 0);
        begun.leave();
        eventually("it is over", || ended(&stage.edge, Ending::ClientClosed) == before + 1);
    }
    assert_eq!(stage.origin.connections(), 0);
    eventually("nothing is held", || stage.edge.edge.memory_held() == 0);
}

#[test]
fn a_client_that_waits_is_told_to_go_on_by_us_and_only_where_its_body_is_wanted() {
    let stage = asking(|_, _| {});
    let expecting = || Talk::new("POST", "/").body("user=alice").field("Expect", "100-continue");
    // Over HTTP/1 head and body apart.
    let talk = signed(expecting());
    let mut client = RawClient::connect(stage.edge.address());
    assert_eq!(client.send(talk.h1_head()).head().status, 100);
    assert_eq!(stage.origin.connections(), 0, "it is ours");
    assert_eq!(client.send("user=alice").answer().status, 200);
    // Over HTTP/2 as well.
    let talk = signed(expecting());
    let client = H2Client::connect(stage.edge.address());
    let mut asked = client.begin(talk.h2_head(), false);
    assert_eq!(client.informed(&mut asked), 100);
    asked.send(b"user=alice", true);
    assert_eq!(client.answer(asked).status, 200);
    for seen in stage.origin.journal() {
        assert_eq!((seen.field("expect"), &*seen.body), (None, &b"user=alice"[..]));
    }
    // Whose head is worth nothing, or whose body is too large, is not told to send it.
    let forged = expecting().field("X-Signature", "0");
    let large = signed(Talk::new("PUT", "/").body("x".repeat(MOST + 1)));
    let large = large.field("Expect", "100-continue");
    for (talk, status) in [(forged, 401), (large, 413)] {
        let mut client = RawClient::connect(stage.edge.address());
        assert_eq!(client.send(talk.h1_head()).answer().status, status);
        let client = H2Client::connect(stage.edge.address());
        let answer = client.answer(client.begin(talk.h2_head(), false));
        assert_eq!((answer.status, answer.informed.len()), (status, 0));
    }
}

#[test]
fn who_ends_its_half_behind_the_body_waits_for_its_response() {
    let stage = asking(|_, _| {});
    let talk = signed(Talk::new("POST", "/").body("user=alice"));
    let mut client = RawClient::connect(stage.edge.address());
    client.send(talk.h1_head()).send("user=alice").end();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn what_comes_behind_the_body_goes_on_with_it_and_says_nothing_of_who_asks() {
    let stage = asking(|_, wanted| {
        wanted.routes[0].policies.request_headers.remove = vec!["x-internal".to_owned()];
    });
    for protocol in Protocol::ALL {
        let talk = Talk::new("POST", "/").body("user=alice").trailer("X-Sum", "1");
        let talk = talk.trailer("X-User", "root").trailer("X-Internal", "1");
        let seen = stage.seen(protocol, signed(talk));
        let behind = seen.trailers.trim().to_lowercase();
        assert_eq!(behind, "x-sum: 1", "{protocol:?}");
    }
}

#[test]
fn a_response_of_our_own_leaves_the_connection_in_use() {
    let stage = asking(|_, wanted| {
        wanted.routes[0].action = model::Action::Respond(model::Respond {
            status: 200,
            body: "ours".to_owned(),
            content_type: "text/plain".to_owned(),
        });
    });
    for protocol in Protocol::ALL {
        let mut line = testkit::Line::open(protocol, stage.edge.address());
        for body in ["user=alice", "", "user=bob"] {
            let talk = Talk::new("POST", "/").body(body);
            assert_eq!(line.ask(signed(talk.clone())).body, "ours", "{protocol:?}");
            assert_eq!(line.ask(signed(talk.trailer("X-Sum", "1"))).body, "ours", "{protocol:?}");
        }
    }
    // One request behind the other, in one piece.
    let [first, second] = [(); 2].map(|()| signed(Talk::new("POST", "/").body("user=alice")));
    let both = format!("{}user=alice{}user=alice", first.h1_head(), second.h1_head());
    let mut client = RawClient::connect(stage.edge.address());
    client.send(both);
    assert_eq!((client.answer().status, client.answer().status), (200, 200));
}

/// An edge that asks for `app`, over these targets.
fn over(targets: &[std::net::SocketAddr], change: impl FnOnce(&mut Wanted)) -> TestEdge {
    TestEdge::with(targets, |wanted| {
        let app = app(&[("", APP_SECRET)]);
        wanted.routes[0].policies.auth = vec![app.name.clone()];
        wanted.auth.push(app);
        change(wanted);
    })
}

#[test]
fn what_was_held_is_sent_again_where_an_instance_did_nothing_with_it() {
    // One cannot be reached; one breaks off what may run twice.
    let broken = Origin::start(|_| vec![Step::Reset]);
    let (fine, body) = (Origin::polite("fine"), "z".repeat(MOST));
    for first in [refusing_address(), broken.address()] {
        let edge = over(&[first, fine.address()], |wanted| {
            wanted.service.balance = model::Balance::RoundRobin;
        });
        for protocol in Protocol::ALL {
            for _ in 0..2 {
                let talk = Talk::new("PUT", "/").body(body.as_str()).trailer("X-Sum", "1");
                assert_eq!(signed(talk).over(protocol, edge.address()).status, 200, "{protocol:?}");
            }
        }
    }
    let journal = fine.journal();
    assert_eq!(journal.len(), 8);
    assert!(journal.iter().all(|it| it.body == body.as_bytes()));
}

#[test]
fn what_was_held_goes_on_over_http_2_as_well() {
    let head = || H2Step::Head(200, &[]);
    let origin = H2Origin::start(move |_| vec![head(), H2Step::Echo, H2Step::End]);
    let edge = over(&[origin.address()], |wanted| wanted.service.protocol = UpstreamProtocol::H2);
    for protocol in Protocol::ALL {
        for body in ["", "user=alice"] {
            let post = || Talk::new("POST", "/").body(body);
            for talk in [post(), post().trailer("X-Sum", "1")] {
                let reply = signed(talk).over(protocol, edge.address());
                assert_eq!((reply.status, &*reply.body), (200, body), "{protocol:?}");
            }
        }
    }
}

#[test]
fn all_that_one_client_has_held_is_bounded_and_what_is_over_is_503() {
    // Of which one client may have a quarter, on two workers.
    let memory = 4 * 1024 * 1024;
    let stage = asking(|_, wanted| wanted.memory = memory);
    let body = "x".repeat(MOST);
    let begun: Vec<_> = (0..64)
        .map(|_| {
            let talk = signed(Talk::new("PUT", "/").body(body.as_str()));
            let mut client = RawClient::connect(stage.edge.address());
            client.send(talk.h1_head()).try_send(&body[..MOST - 1]);
            client
        })
        .collect();
    eventually("some are refused", || ended(&stage.edge, Ending::Overloaded) > 0);
    assert!(stage.edge.edge.memory_held() <= memory / 2, "it is bounded");
    drop(begun);
    eventually("nothing is held", || stage.edge.edge.memory_held() == 0);
    for protocol in Protocol::ALL {
        let talk = HmacSigner::new(APP_SECRET).sign(Talk::new("PUT", "/").body(body.as_str()));
        assert_eq!(stage.ask(protocol, talk).status, 200, "{protocol:?}");
    }
}
