//! What is asked of another instance when one has failed, and what is not: for clients and instances of
//! either protocol.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use edge::Bar;
use h2::Reason;
use model::{Queue, UpstreamProtocol};
use testkit::origin::refusing_address;
use testkit::{
    AccessLines, H2Origin, H2Step, Line, Origin, Protocol, RawClient, Reply, Step, Talk, TestEdge,
    eventually,
};

/// Balances over instances that speak `upstream`.
fn over(upstream: UpstreamProtocol, targets: &[SocketAddr]) -> TestEdge {
    TestEdge::with(targets, |wanted| wanted.service.protocol = upstream)
}

/// An instance of either protocol that does the same with every request.
enum Instance {
    H1(Origin),
    H2(H2Origin),
}

/// What it does.
#[derive(Clone, Copy)]
enum Does {
    /// Answers so.
    Answers(u16, &'static str),
    /// Breaks the connection, or the stream, once it has the request.
    Breaks,
    /// Says nothing until the connection ends.
    Hangs,
}

impl Instance {
    const PROTOCOLS: [UpstreamProtocol; 2] = [UpstreamProtocol::H1, UpstreamProtocol::H2];

    fn start(protocol: UpstreamProtocol, does: Does) -> Self {
        match protocol {
            UpstreamProtocol::H1 => Self::H1(Origin::start(move |_| match does {
                Does::Answers(status, body) => vec![Step::answer(status, body)],
                Does::Breaks => vec![Step::Reset],
                Does::Hangs => vec![Step::Echo],
            })),
            UpstreamProtocol::H2 => Self::H2(H2Origin::start(move |_| match does {
                Does::Answers(status, body) => {
                    vec![H2Step::Head(status, &[]), H2Step::Data(body.into()), H2Step::End]
                }
                Does::Breaks => vec![H2Step::Reset(Reason::INTERNAL_ERROR)],
                Does::Hangs => vec![H2Step::Hang],
            })),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::H1(origin) => origin.address(),
            Self::H2(origin) => origin.address(),
        }
    }

    /// How many requests came to it.
    fn asked(&self) -> usize {
        match self {
            Self::H1(origin) => origin.journal().len(),
            Self::H2(origin) => origin.journal().len(),
        }
    }
}

/// Does so with a client and instances of each protocol: two instances, the first of which `fails`.
fn with_one_that(fails: Does, check: impl Fn(&mut Line, [&Instance; 2])) {
    for upstream in Instance::PROTOCOLS {
        for protocol in Protocol::ALL {
            let failing = Instance::start(upstream, fails);
            let other = Instance::start(upstream, Does::Answers(200, "other"));
            let edge = over(upstream, &[failing.address(), other.address()]);
            check(&mut Line::open(protocol, edge.address()), [&failing, &other]);
        }
    }
}

fn sorted(mut statuses: Vec<u16>) -> Vec<u16> {
    statuses.sort_unstable();
    statuses
}

#[test]
fn one_that_refuses_is_passed_over_and_the_client_sees_nothing_of_it() {
    for upstream in Instance::PROTOCOLS {
        for protocol in Protocol::ALL {
            let instance = Instance::start(upstream, Does::Answers(200, "one"));
            let edge = over(upstream, &[refusing_address(), instance.address()]);
            let mut line = Line::open(protocol, edge.address());
            for n in 0..8 {
                let talk = Talk::new("POST", &format!("/{n}")).body("ab");
                assert_eq!(line.ask(talk).body, "one", "{protocol:?} {upstream:?}");
            }
            assert_eq!(instance.asked(), 8, "each ran once");
        }
    }
}

#[test]
fn what_must_run_once_is_not_sent_twice() {
    with_one_that(Does::Breaks, |line, [failing, other]| {
        let post = |_| line.ask(Talk::new("POST", "/").body("ab")).status;
        assert_eq!(sorted((0..2).map(post).collect()), [200, 502]);
        assert_eq!(failing.asked() + other.asked(), 2);
    });
}

#[test]
fn what_may_run_twice_is_sent_again() {
    with_one_that(Does::Breaks, |line, [failing, other]| {
        for method in ["PUT", "GET", "DELETE", "PUT"] {
            let talk = Talk::new(method, "/").body(if method == "PUT" { "ab" } else { "" });
            assert_eq!(line.ask(talk).body, "other", "{method}");
        }
        assert!(failing.asked() > 0 && other.asked() == 4);
    });
}

#[test]
fn what_is_sent_again_has_its_body() {
    for protocol in Protocol::ALL {
        let broken = Origin::start(|_| vec![Step::Reset]);
        let other = Origin::start(|request| vec![Step::answer(200, &request.target)]);
        let edge = TestEdge::start(&[broken.address(), other.address()]);
        let mut line = Line::open(protocol, edge.address());
        for n in 0..4 {
            let path = format!("/{n}");
            assert_eq!(line.ask(Talk::new("PUT", &path).body("ab")).body, path, "{protocol:?}");
        }
        assert!(other.journal().iter().all(|request| request.body == b"ab"));
        assert!(!broken.journal().is_empty());
    }
}

#[test]
fn a_503_is_asked_elsewhere_where_that_is_safe() {
    with_one_that(Does::Answers(503, "busy"), |line, _| {
        for _ in 0..4 {
            assert_eq!(line.get("/").body, "other");
        }
        let post = |_| line.ask(Talk::new("POST", "/").body("ab")).status;
        assert_eq!(sorted((0..2).map(post).collect()), [200, 503], "a POST's is passed on");
    });
}

#[test]
fn another_failure_that_an_instance_tells_is_passed_on() {
    with_one_that(Does::Answers(500, "broken"), |line, _| {
        let get = |_| line.get("/").status;
        assert_eq!(sorted((0..2).map(get).collect()), [200, 500]);
    });
}

#[test]
fn a_stream_that_was_refused_is_asked_elsewhere_even_if_it_may_run_only_once() {
    for protocol in Protocol::ALL {
        let refusing = H2Origin::start(|_| vec![H2Step::Reset(Reason::REFUSED_STREAM)]);
        let taking = Instance::start(UpstreamProtocol::H2, Does::Answers(200, "taken"));
        let edge = over(UpstreamProtocol::H2, &[refusing.address(), taking.address()]);
        let mut line = Line::open(protocol, edge.address());
        for _ in 0..4 {
            let reply = line.ask(Talk::new("POST", "/").body("hello"));
            assert_eq!(reply.body, "taken", "{protocol:?}");
        }
        assert!(!refusing.journal().is_empty(), "it was asked and refused");
        assert_eq!(taking.asked(), 4);
    }
}

#[test]
fn a_kept_connection_that_was_closed_is_no_failure() {
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|_| vec![Step::answer(200, "ok")]);
        let mut line = Line::open(protocol, edge.address());
        assert_eq!(line.get("/").body, "ok");
        origin.close_connections();
        assert_eq!(line.get("/").body, "ok", "{protocol:?}");
        let live = edge.live(origin.address());
        eventually("both are counted", || live.outcomes().ok == 2);
        assert_eq!(live.outcomes().failures, 0);
    }
}

#[test]
fn a_request_that_a_kept_connection_closes_on_is_sent_again_to_the_same_instance() {
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|request| match request.connection {
            0 if request.target == "/again" => vec![Step::Close],
            _ => vec![Step::answer(200, "ok")],
        });
        let mut line = Line::open(protocol, edge.address());
        assert_eq!(line.get("/").body, "ok");
        assert_eq!(line.get("/again").body, "ok", "{protocol:?}");
        let asked: Vec<_> = origin.journal().iter().map(|request| request.connection).collect();
        assert_eq!(asked, [0, 0, 1], "{protocol:?}");
        let live = edge.live(origin.address());
        eventually("both are counted", || live.outcomes().ok == 2);
        assert_eq!(live.outcomes().failures, 0);
    }
}

#[test]
fn a_failure_on_a_kept_connection_that_the_client_feels_is_the_instance_s() {
    for protocol in Protocol::ALL {
        let (origin, edge) = TestEdge::over(|request| match request.method.as_str() {
            "POST" => vec![Step::Close],
            _ => vec![Step::answer(200, "fine")],
        });
        let mut line = Line::open(protocol, edge.address());
        assert_eq!(line.get("/").body, "fine");
        assert_eq!(line.ask(Talk::new("POST", "/")).status, 502, "{protocol:?}");
        let live = edge.live(origin.address());
        eventually("it is counted", || live.outcomes().total() == 2);
        assert_eq!(live.outcomes().failures, 1);
    }
}

#[test]
fn where_no_instance_is_left_the_client_is_told_when_to_come_back() {
    let edge = TestEdge::start(&[]);
    for protocol in Protocol::ALL {
        let reply: Reply = Talk::get("/").over(protocol, edge.address());
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")), "{protocol:?}");
    }
}

#[test]
fn where_none_is_well_another_is_asked_all_the_same() {
    for upstream in Instance::PROTOCOLS {
        for protocol in Protocol::ALL {
            let well = Instance::start(upstream, Does::Answers(200, "well"));
            let targets = [refusing_address(), well.address()];
            let edge = over(upstream, &targets);
            targets.iter().for_each(|target| edge.live(*target).put(Bar::Unhealthy));
            for _ in 0..4 {
                let reply = testkit::ask(protocol, edge.address(), "GET", "/");
                assert_eq!(reply.status(), Some(200), "{protocol:?} to {upstream:?}");
            }
            assert_eq!(well.asked(), 4);
            // What was taken out by a person stays out.
            edge.live(well.address()).put(Bar::Drained);
            let reply = testkit::ask(protocol, edge.address(), "GET", "/");
            assert_eq!(reply.status(), Some(502), "{protocol:?} to {upstream:?}");
            assert_eq!(well.asked(), 4);
        }
    }
}

/// One instance answers 503, and the other is full: the client gets what the first said, also if it waited
/// for the other first.
#[test]
fn a_503_whose_retry_finds_nobody_is_passed_on_and_logged_as_that() {
    let queues = [(0, Duration::from_secs(9)), (1, Duration::from_millis(100))];
    let cases = queues.into_iter().flat_map(|queue| Instance::PROTOCOLS.map(|it| (queue, it)));
    for ((length, timeout), upstream) in cases {
        for protocol in Protocol::ALL {
            let telling = Instance::start(upstream, Does::Answers(503, "said by the instance"));
            let full = Instance::start(upstream, Does::Hangs);
            let lines = AccessLines::default();
            let edge = TestEdge::with(&[telling.address(), full.address()], |wanted| {
                wanted.service.protocol = upstream;
                wanted.service.queue = Queue { length, timeout };
                wanted.service.max_connections = NonZeroU32::new(1);
                wanted.access_log = Some(lines.clone());
            });
            let mut busy = RawClient::connect(edge.address());
            busy.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
            eventually("it is full", || full.asked() == 1);
            let reply = Line::open(protocol, edge.address()).get("/");
            assert_eq!((reply.status, &*reply.body), (503, "said by the instance"), "{protocol:?}");
            let live = edge.live(telling.address());
            eventually("its place is free", || live.in_flight() == 0);
            let service = edge.edge.services().next().expect("there is one").live.clone();
            drop((busy, edge));
            let line = lines.all().into_iter().find(|line| line.field("path") == "/");
            let line = line.expect("it has a line");
            let told = ["status", "ending", "attempts"].map(|field| line.field(field));
            assert_eq!(told, ["503", "ok", "1"], "{protocol:?} {upstream:?}");
            let retries: u64 = service.shards().map(|shard| shard.retries.get()).sum();
            assert!(retries <= 1, "nobody was asked again but for the busy one");
        }
    }
}
