//! Endings that are a client's doing, or a route's, or the edge's own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge::{ListenerTls, Store};
use model::{
    Action, BodyLimit, Cors, HostMatch, KeyPart, Login, OnFailure, OriginMatch, Redirect, Redis,
    RedisNode, Respond, Transport,
};
use policy::Bans;
use policy::bans::{Ban, Banned};
use telemetry::Ending;
use testkit::frames::{END_STREAM, kind};
use testkit::h2_client::request;
use testkit::limit::{limit, limit_use, requests};
use testkit::{
    Authority, FrameClient, H2Client, Protocol, RawClient, Request, Step, Talk, eventually,
};

use wire::tls::Alpn::{Http1, Http2};

use crate::scene::Scene;

const SHORT: Duration = Duration::from_millis(100);
/// More than all buffers on the way hold.
const MUCH: usize = 64 * 1024 * 1024;

pub(crate) fn redirect(protocol: Protocol) -> Scene {
    let to = Redirect { to: "https://a.example".into(), status: 302 };
    Scene::polite(|wanted| wanted.routes[0].action = Action::Redirect(to)).answers(protocol, 302)
}

pub(crate) fn respond(protocol: Protocol) -> Scene {
    let own = Respond { status: 200, body: "ok".into(), content_type: "text/plain".into() };
    Scene::polite(|wanted| wanted.routes[0].action = Action::Respond(own)).answers(protocol, 200)
}

pub(crate) fn limited(protocol: Protocol) -> Scene {
    // It asks for more than there ever is.
    let small = limit("small", requests(1), &[KeyPart::Ip]);
    Scene::polite(|wanted| wanted.routes[0].policies.limits = vec![limit_use(small, 2)])
        .answers(protocol, 429)
}

pub(crate) fn store_down(protocol: Protocol) -> Scene {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("threads start");
    let (host, login) = ("127.0.0.1".into(), Login::default());
    // Nothing listens there.
    let node = RedisNode { host, port: 1, transport: Transport::Plain, login };
    let store = model::Store {
        redis: Redis::Single(Box::new(node)),
        ca: None,
        prefix: "plimsoll".into(),
        timeout: SHORT,
        on_failure: OnFailure::Refuse,
        secret: None,
    };
    let store = {
        let _inside = runtime.enter();
        Store::open(Some(&store), &Store::alone())
    };
    let large = limit("large", requests(9), &[KeyPart::Ip]);
    let scene = Scene::polite(|wanted| {
        wanted.routes[0].policies.limits = vec![limit_use(large, 1)];
        wanted.store = store;
    });
    scene.keeping(runtime).answers(protocol, 503)
}

pub(crate) fn bad_request(protocol: Protocol) -> Scene {
    Scene::polite(|_| {}).answers_to(Talk::get("/../etc"), protocol, 400)
}

pub(crate) fn tls_on_plain() -> Scene {
    let scene = Scene::polite(|_| {});
    let mut client = RawClient::connect(scene.address());
    // How a handshake begins.
    assert_eq!(client.send(*b"\x16\x03\x01\x02\0\x01").answer().status, 400);
    scene
}

pub(crate) fn header_too_large(protocol: Protocol) -> Scene {
    let talk = (0..101).fold(Talk::get("/"), |talk, n| talk.field(&format!("a{n}"), "b"));
    Scene::polite(|_| {}).answers_to(talk, protocol, 431)
}

pub(crate) fn uri_too_long(protocol: Protocol) -> Scene {
    let scene = Scene::polite(|wanted| {
        // One that neither protocol of clients refuses, and that cannot be said to the instance.
        wanted.service.protocol = model::UpstreamProtocol::H2;
        wanted.routes[0].policies.rewrite.add_prefix = Some(format!("/{}", "x".repeat(70_000)));
    });
    scene.answers(protocol, 414)
}

pub(crate) fn body_too_large(protocol: Protocol) -> Scene {
    let scene = Scene::polite(|wanted| wanted.listener.limits.body = BodyLimit::Bytes(3));
    scene.answers_to(Talk::new("POST", "/").body("abcd"), protocol, 413)
}

pub(crate) fn header_timeout() -> Scene {
    let scene = Scene::polite(|wanted| wanted.listener.timeouts.header = SHORT);
    let mut client = RawClient::connect(scene.address());
    assert_eq!(client.send("GET / HTTP/1.1\r\nHo").answer().status, 408);
    scene
}

pub(crate) fn body_timeout(protocol: Protocol) -> Scene {
    let scene = Scene::polite(|wanted| wanted.listener.timeouts.body_idle = SHORT);
    let status = match protocol {
        Protocol::H1 => {
            let mut client = RawClient::connect(scene.address());
            client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
            client.answer().status
        }
        Protocol::H2 => {
            let client = H2Client::connect(scene.address());
            let mut asked = client.begin(request("PUT", "/"), false);
            asked.send(b"abc", false);
            client.answer(asked).status
        }
    };
    assert_eq!(status, 408);
    scene
}

/// An instance that says nothing until the connection ends.
fn hang(_: &Request) -> Vec<Step> {
    vec![Step::Echo]
}

pub(crate) fn client_closed(protocol: Protocol) -> Scene {
    let scene = Scene::over(hang, |_| {});
    match protocol {
        Protocol::H1 => scene.busy().reset(),
        Protocol::H2 => {
            let client = H2Client::connect(scene.address());
            let asked = client.begin(request("GET", "/"), true);
            eventually("it has arrived", || scene.in_flight() == 1);
            asked.reset(h2::Reason::CANCEL);
            eventually("it is given up", || scene.in_flight() == 0);
        }
    }
    scene
}

pub(crate) fn deadline(protocol: Protocol) -> Scene {
    let call =
        Talk::new("POST", "/").field("content-type", "application/grpc").body(*b"\0\0\0\0\0");
    // A gRPC client reads its fate in a head of 200.
    let scene = Scene::over(|_| vec![Step::Echo], |_| {});
    scene.answers_to(call.field("grpc-timeout", "100m"), protocol, 200)
}

pub(crate) fn write_timeout(protocol: Protocol) -> Scene {
    let pour = |_: &Request| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
        vec![Step::send(head), Step::Pour(MUCH)]
    };
    let scene = Scene::over(pour, |wanted| wanted.listener.timeouts.write_idle = SHORT);
    match protocol {
        Protocol::H1 => {
            let unread = scene.busy();
            eventually("it is given up", || scene.in_flight() == 0);
            scene.keeping(unread)
        }
        Protocol::H2 => {
            let client = H2Client::connect(scene.address());
            let mut unread = client.begin(request("GET", "/"), true);
            assert!(!client.part(&mut unread).is_empty());
            eventually("it is given up", || scene.in_flight() == 0);
            scene.keeping((client, unread))
        }
    }
}

pub(crate) fn method_not_allowed(protocol: Protocol) -> Scene {
    Scene::polite(|_| {}).answers_to(Talk::new("TRACE", "/"), protocol, 405)
}

/// What one client may hold is an eighth of all: of the memory of one of two workers, a quarter.
const SHARE: usize = 8;

pub(crate) fn overloaded(protocol: Protocol) -> Scene {
    match protocol {
        Protocol::H1 => {
            let scene = Scene::polite(|wanted| wanted.memory = SHARE * 8 * 1024);
            let answer = RawClient::connect(scene.address()).get("/");
            assert_eq!(answer.status, 503);
            scene
        }
        // Enough for a connection, and not for a stream on it: that is refused.
        Protocol::H2 => Scene::polite(|wanted| wanted.memory = SHARE * 60 * 1024).cuts(protocol),
    }
}

pub(crate) fn denied(protocol: Protocol) -> Scene {
    let networks = vec!["127.0.0.0/8".parse().expect("a network")];
    Scene::polite(|wanted| wanted.routes[0].policies.deny = networks).answers(protocol, 403)
}

/// A client whose address is banned, while everything else is as it should be.
pub(crate) fn banned(protocol: Protocol) -> Scene {
    let mut scene = Scene::polite(|_| {});
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let until = now + Duration::from_secs(3600);
    let banned = Banned::Address("127.0.0.0/8".parse().expect("a network"));
    let mut bans = Bans::default();
    bans.put(Ban { banned, at: now, until, reason: None }, now).expect("there is room");
    scene.ban(bans);
    scene.answers(protocol, 403)
}

/// Asks for a host of another listener, which wants a certificate.
pub(crate) fn misdirected(protocol: Protocol) -> Scene {
    let authority = Authority::default();
    let config = authority.server(&[&["a.example"]], &[Http2, Http1]);
    let mut scene = Scene::polite(|wanted| {
        (wanted.tls, wanted.certified) = (Some(config.clone()), vec!["a.example".into()]);
    });
    scene.also_asking(ListenerTls {
        config,
        clients: None,
        names: ["closed.example".into()].into(),
    });
    let talk = Talk::get("/").host("closed.example");
    let offered = match protocol {
        Protocol::H1 => Http1,
        Protocol::H2 => Http2,
    };
    let talk = talk.tls(authority.client(&[offered]), "a.example");
    scene.keeping(authority).answers_to(talk, protocol, 421)
}

/// Pages of one origin may use the route.
fn with_cors() -> Scene {
    let cors = Cors {
        origins: vec![OriginMatch::Exact("https://shop.example".into())],
        methods: Vec::new(),
        headers: Vec::new(),
        expose: Vec::new(),
        credentials: false,
        max_age: None,
    };
    Scene::polite(|wanted| wanted.routes[0].policies.cors = Some(cors))
}

fn preflight_of(origin: &str, protocol: Protocol, status: u16) -> Scene {
    let talk = Talk::new("OPTIONS", "/").field("Origin", origin);
    let talk = talk.field("Access-Control-Request-Method", "PUT");
    with_cors().answers_to(talk, protocol, status)
}

pub(crate) fn preflight(protocol: Protocol) -> Scene {
    preflight_of("https://shop.example", protocol, 204)
}

pub(crate) fn preflight_refused(protocol: Protocol) -> Scene {
    preflight_of("https://evil.example", protocol, 403)
}

pub(crate) fn no_route(protocol: Protocol) -> Scene {
    let other = HostMatch::Exact("other.example".into());
    let scene = Scene::polite(|wanted| wanted.routes[0].matcher.hosts = vec![other]);
    scene.answers(protocol, 404)
}

/// What a drain left open when its time was over.
pub(crate) fn cut_by_shutdown(protocol: Protocol) -> Scene {
    let mut scene = Scene::over(hang, |_| {});
    let kept: Box<dyn std::any::Any> = match protocol {
        Protocol::H1 => Box::new(scene.busy()),
        Protocol::H2 => {
            let client = H2Client::connect(scene.address());
            let asked = client.begin(request("GET", "/"), true);
            eventually("it has arrived", || scene.in_flight() == 1);
            Box::new((client, asked))
        }
    };
    let edge = scene.edge.take().expect("it runs");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cut = runtime.expect("a runtime starts").block_on(edge.edge.stop(SHORT));
    assert_eq!(cut, 1);
    scene.keeping(kept)
}

/// A stream whose end was announced and does not come is cut as well when the time to drain is over.
pub(crate) fn a_stream_cut_while_its_end_is_awaited() {
    let mut scene = Scene::polite(|_| {});
    let mut client = FrameClient::connect(scene.address());
    client.send_head(0, 1, &announcing("0"));
    // It has been read when what came after it is answered.
    client.send(kind::PING, 0, 0, &[0; 8]);
    client.next_of(kind::PING).expect("it is answered");
    let edge = scene.edge.take().expect("it runs");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(edge.edge.stop(SHORT));
    let lines = scene.lines(Ending::Shutdown);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let told = ["path", "status", "ending"].map(|field| lines[0].field(field));
    assert_eq!(told, ["/told", "0", "shutdown"]);
}

/// A body that is longer than it was announced, or shorter, is the client's error, not its departure.
pub(crate) fn a_body_of_another_length_than_announced() {
    for (body, ends) in [(&b"abcde"[..], 0), (b"ab", END_STREAM)] {
        let mut scene = Scene::over(hang, |_| {});
        let mut client = FrameClient::connect(scene.address());
        client.send_head(0, 1, &announcing("4"));
        eventually("it has arrived", || scene.in_flight() == 1);
        client.send(kind::DATA, ends, 1, body);
        client.next_of(kind::RST_STREAM).expect("it is reset");
        let lines = scene.lines(Ending::BadRequest);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let told = ["path", "status", "ending"].map(|field| lines[0].field(field));
        assert_eq!(told, ["/told", "0", "bad_request"]);
    }
}

/// The head of a request that says how long its body is.
fn announcing(length: &str) -> [(&str, &str); 5] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/told"),
        (":authority", "a"),
        ("content-length", length),
    ]
}

/// One that announces an empty body and sends one is reset, and has its line.
pub(crate) fn a_stream_that_breaks_its_word() {
    let mut scene = Scene::polite(|_| {});
    let mut client = FrameClient::connect(scene.address());
    client.send_head(0, 1, &announcing("0"));
    client.send(kind::DATA, END_STREAM, 1, b"a");
    client.next_of(kind::RST_STREAM).expect("it is reset");
    let lines = scene.lines(Ending::BadRequest);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let told = ["path", "status", "ending"].map(|field| lines[0].field(field));
    assert_eq!(told, ["/told", "0", "bad_request"]);
}
