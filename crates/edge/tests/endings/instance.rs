//! Endings that an instance comes to, or that come of there being none.

use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::time::Duration;

use edge::Bar;
use model::Drain;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use telemetry::Ending;
use testkit::h2_client::request;
use testkit::origin::{FullQueue, refusing_address};
use testkit::{Authority, H2Client, Protocol, RawClient, Request, Step, TlsFront};
use wire::tls::Alpn;

use crate::scene::Scene;

const SHORT: Duration = Duration::from_millis(100);

pub(crate) fn fine(protocol: Protocol) -> Scene {
    Scene::polite(|_| {}).answers(protocol, 200)
}

pub(crate) fn tunnel() -> Scene {
    let agree = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let scene = Scene::over(move |_| vec![Step::send(agree), Step::Echo, Step::Close], |_| {});
    let mut client = RawClient::connect(scene.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.head().status, 101);
    client.end();
    assert!(client.is_closed());
    scene
}

/// Either side may end a tunnel as it likes: that is nobody's fault, whether by the end of its half or by a
/// reset.
pub(crate) fn a_tunnel_that_its_instance_resets() {
    let agree = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let mut scene = Scene::over(move |_| vec![Step::send(agree), Step::Echo, Step::Reset], |_| {});
    let mut client = RawClient::connect(scene.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.head().status, 101);
    client.end();
    assert!(client.is_closed());
    let (service, instance) = {
        let view = scene.edge().edge.services().next().expect("there is one");
        (view.live.clone(), view.instances[0].clone())
    };
    let lines = scene.lines(Ending::Tunnel);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(service.shards().map(|shard| shard.failed.get()).sum::<u64>(), 0);
    assert_eq!(instance.outcomes().failures, 0);
}

/// A stream of events whose instance is to go.
pub(crate) fn departs(protocol: Protocol) -> Scene {
    let events = |_: &Request| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                    Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
        vec![Step::send(head), Step::Echo]
    };
    let scene = Scene::over(events, |_| {});
    let depart = || {
        let service = scene.edge().edge.services().next().expect("there is one");
        let live = &service.instances[0];
        live.put(Bar::Drained);
        scene.edge().edge.depart(live, Drain::all(Duration::ZERO));
    };
    match protocol {
        Protocol::H1 => {
            let mut client = RawClient::connect(scene.address());
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.head().status, 200);
            depart();
            let rest = client.take(b"9\r\ndata: 1\n\n\r\n0\r\n\r\n".len()).expect("it ends");
            assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "as a whole response does");
        }
        Protocol::H2 => {
            let client = H2Client::connect(scene.address());
            let mut asked = client.begin(request("GET", "/"), true);
            assert_eq!(client.part(&mut asked), b"data: 1\n\n");
            depart();
            assert!(client.answer(asked).cut.is_none());
        }
    }
    scene
}

pub(crate) fn forwarding_to_itself(protocol: Protocol) -> Scene {
    let mut scene = Scene::at(&[], |_| {});
    let own = scene.address();
    scene.edge.as_mut().expect("it runs").retarget(&[own]);
    scene.answers(protocol, 508)
}

pub(crate) fn none(protocol: Protocol) -> Scene {
    Scene::at(&[], |_| {}).answers(protocol, 503)
}

/// One whose only instance is busy with another's request, which takes longer than this one waits.
fn behind_another(protocol: Protocol, length: usize) -> Scene {
    let scene = Scene::over(
        |_| vec![Step::Echo],
        |wanted| {
            wanted.service.max_connections = NonZeroU32::new(1);
            wanted.service.queue = model::Queue { length, timeout: SHORT };
        },
    );
    let busy = scene.busy();
    scene.answers(protocol, 503).keeping(busy)
}

pub(crate) fn queue_full(protocol: Protocol) -> Scene {
    behind_another(protocol, 0)
}

pub(crate) fn queue_timeout(protocol: Protocol) -> Scene {
    behind_another(protocol, 1)
}

/// No descriptor is left for a connection to the instance.
pub(crate) fn shortage(protocol: Protocol) -> Scene {
    let scene = Scene::polite(|_| {});
    // Both connect, and are answered by the edge itself, so that all that will be open is.
    let ask: Box<dyn FnOnce() -> u16> = match protocol {
        Protocol::H1 => {
            let mut client = RawClient::connect(scene.address());
            client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.answer().status, 405);
            Box::new(move || client.get("/").status)
        }
        Protocol::H2 => {
            let client = H2Client::connect(scene.address());
            assert_eq!(client.ask(request("TRACE", "/"), b"", None).status, 405);
            Box::new(move || client.get("/").status)
        }
    };
    // What earlier ends have left open would be free for another in a moment.
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    testkit::stands_still(open);
    let before = getrlimit(Resource::Nofile);
    // The lowest descriptor that is free: with a limit just there, no other can be had.
    let next = std::fs::File::open("/dev/null").expect("it is there").as_raw_fd();
    let lowered = Rlimit { current: Some(next as u64), ..before };
    setrlimit(Resource::Nofile, lowered).expect("it is no more than before");
    let status = ask();
    setrlimit(Resource::Nofile, before).expect("it was so before");
    assert_eq!(status, 503);
    scene
}

pub(crate) fn refusing(protocol: Protocol) -> Scene {
    Scene::at(&[refusing_address()], |_| {}).answers(protocol, 502)
}

pub(crate) fn not_accepting(protocol: Protocol) -> Scene {
    let full = FullQueue::default();
    let scene = Scene::at(&[full.address()], |wanted| wanted.service.timeouts.connect = SHORT);
    scene.answers(protocol, 504).keeping(full)
}

/// Its certificate is of an authority that nobody knows.
pub(crate) fn unknown(protocol: Protocol) -> Scene {
    let (known, other) = (Authority::default(), Authority::default());
    let server = other.server(&[&["127.0.0.1"]], &[Alpn::Http1]);
    let front = TlsFront::start(server, refusing_address());
    let scene = Scene::at(&[front.address()], |wanted| {
        wanted.service_tls = Some(known.toward_instances(None, Alpn::Http1));
    });
    scene.answers(protocol, 502).keeping(front)
}

pub(crate) fn resetting(protocol: Protocol) -> Scene {
    Scene::over(|_| vec![Step::Reset], |_| {}).answers(protocol, 502)
}

pub(crate) fn talking_nonsense(protocol: Protocol) -> Scene {
    Scene::over(|_| vec![Step::send("hello\r\n\r\n")], |_| {}).answers(protocol, 502)
}

pub(crate) fn silent(protocol: Protocol) -> Scene {
    let scene =
        Scene::over(|_| vec![Step::Echo], |wanted| wanted.service.timeouts.first_byte = SHORT);
    scene.answers(protocol, 504)
}

pub(crate) fn breaking_off(protocol: Protocol) -> Scene {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
    Scene::over(move |_| vec![Step::send(half), Step::Close], |_| {}).cuts(protocol)
}
