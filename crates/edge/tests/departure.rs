//! What need not ever end leaves an instance that is to go: WebSockets with 1001 between two frames,
//! event streams between two events, each in its turn.

use std::time::{Duration, Instant};

use edge::Bar;
use model::Drain;
use testkit::h2_client::request;
use testkit::{H2Client, Origin, RawClient, Step, TestEdge, eventually};

const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];
const SECOND: Duration = Duration::from_secs(1);
/// Events that are far more than fits between an instance and a client that does not read.
const FLOOD: usize = 2_000_000;

fn ask_for(protocol: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
}

/// An instance that agrees to any upgrade and echoes, and streams events at `/events`.
fn start() -> (Origin, TestEdge) {
    let origin = Origin::start(|request| match &*request.target {
        "/" => {
            let protocol = request.fields("upgrade").next().unwrap_or("none");
            let agree = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
            );
            vec![Step::send(agree), Step::Echo, Step::Close]
        }
        "/events" => vec![
            Step::send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                 Transfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n7\r\n\ndata: \r\n",
            ),
            Step::Wait(Duration::from_millis(600)),
            Step::send("4\r\n2\n\nd\r\n"),
            Step::Echo,
        ],
        "/frame" => {
            let agree = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            let piece = || [Step::send(vec![b'f'; 100]), Step::Wait(Duration::from_millis(600))];
            let head = Step::send([0x82, 126, 0x01, 0xf4]);
            [Step::send(agree), head].into_iter().chain((0..5).flat_map(|_| piece())).collect()
        }
        "/flood" => {
            let events = "data: 1\n\n".repeat(FLOOD);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                        Transfer-Encoding: chunked\r\n\r\n";
            vec![Step::send(format!("{head}{:x}\r\n{events}\r\n", events.len())), Step::Echo]
        }
        "/ends" | "/gzip" => {
            let encoding =
                if request.target == "/gzip" { "Content-Encoding: gzip\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{encoding}\
                 Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
            );
            let pause = Step::Wait(Duration::from_millis(500));
            vec![Step::send(head), pause, Step::send("9\r\ndata: 2\n\n\r\n0\r\n\r\n")]
        }
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::start(&[origin.address()]);
    (origin, edge)
}

fn depart(origin: &Origin, edge: &TestEdge, drain: Drain) {
    let live = edge.live(origin.address());
    live.put(Bar::Drained);
    edge.edge.depart(&live, drain);
}

fn upgraded(edge: &TestEdge, protocol: &str) -> RawClient {
    let mut client = RawClient::connect(edge.address());
    client.send(ask_for(protocol));
    assert_eq!(client.head().status, 101);
    client
}

#[test]
fn a_websocket_is_closed_with_1001_between_two_frames() {
    let (origin, edge) = start();
    let mut client = upgraded(&edge, "websocket");
    let frame: Vec<u8> = [0x82, 10].into_iter().chain(0..10).collect();
    client.send(&frame[..5]);
    assert_eq!(client.take(5).unwrap(), frame[..5]);
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    // Time enough to tear it, were it torn.
    std::thread::sleep(Duration::from_millis(200));
    client.send(&frame[5..]);
    assert_eq!(client.take(7).unwrap(), frame[5..], "the frame is not torn");
    assert_eq!(client.take(4).unwrap(), GOING_AWAY);
    // What its echo would be comes after the close, and is not passed on any more.
    client.send(&frame);
    let live = edge.live(origin.address());
    assert_eq!(live.in_flight(), 1, "the client may say its part");
    client.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).end();
    assert_eq!(client.read_to_end().unwrap(), b"", "nothing follows a close");
    eventually("it has ended", || live.in_flight() == 0);
}

#[test]
fn a_websocket_whose_client_does_not_answer_is_closed_all_the_same() {
    let (origin, edge) = start();
    let mut client = upgraded(&edge, "WebSocket");
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    assert_eq!(client.take(4).unwrap(), GOING_AWAY);
    let live = edge.live(origin.address());
    eventually("patience ends", || live.in_flight() == 0);
    assert!(client.is_closed());
}

#[test]
fn a_tunnel_of_another_protocol_is_closed() {
    let (origin, edge) = start();
    let mut client = upgraded(&edge, "x");
    client.send("hello");
    assert_eq!(client.take(5).unwrap(), b"hello");
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    assert!(client.is_closed());
    let live = edge.live(origin.address());
    eventually("it has ended", || live.in_flight() == 0);
    assert_eq!(live.outcomes().failures, 0);
}

#[test]
fn many_leave_one_after_another_and_requests_and_uploads_stay() {
    let (origin, edge) = start();
    let mut tunnels: Vec<_> = (0..20).map(|_| upgraded(&edge, "websocket")).collect();
    let mut upload = RawClient::connect(edge.address());
    upload.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegun");
    let live = edge.live(origin.address());
    eventually("all are open", || live.in_flight() == 21);
    depart(&origin, &edge, Drain { tunnels: SECOND, ..Drain::all(30 * SECOND) });
    let mut moments: Vec<Instant> = tunnels
        .iter_mut()
        .map(|client| {
            assert_eq!(client.take(4).unwrap(), GOING_AWAY);
            Instant::now()
        })
        .collect();
    moments.sort();
    let spread = moments[19] - moments[0];
    assert!(spread > Duration::from_millis(300), "they do not leave at once: {spread:?}");
    drop(tunnels);
    eventually("only the upload is left", || live.in_flight() == 1);
    upload.send(vec![b'x'; 100_000 - 5]);
    assert_eq!(upload.answer().text(), "fine", "it is not touched");
}

#[test]
fn who_was_not_called_stays_when_the_instance_does() {
    let (origin, edge) = start();
    let mut client = upgraded(&edge, "websocket");
    let mut other = upgraded(&edge, "websocket");
    let live = edge.live(origin.address());
    edge.edge.depart(&live, Drain::all(Duration::ZERO));
    std::thread::sleep(Duration::from_millis(300));
    for client in [&mut client, &mut other] {
        client.send([0x81, 1, b'x']);
        assert_eq!(client.take(3).unwrap(), [0x81, 1, b'x'], "it was never barred");
    }
}

#[test]
fn an_event_stream_ends_between_two_events_and_its_connection_goes_on() {
    let (origin, edge) = start();
    let mut client = RawClient::connect(edge.address());
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    let live = edge.live(origin.address());
    eventually("it is open", || live.in_flight() == 1);
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    let answer = client.answer();
    assert_eq!(answer.text(), "data: 1\n\ndata: 2\n\n", "the event is not torn");
    eventually("it has ended", || live.in_flight() == 0);
    live.lift(Bar::Drained);
    assert_eq!(client.get("/fine").text(), "fine", "on the same connection");
    assert_eq!(live.outcomes().failures, 0);
}

#[test]
fn an_event_stream_of_http_2_ends_as_well() {
    let (origin, edge) = start();
    let client = H2Client::connect(edge.address());
    let asked = client.begin(request("GET", "/events"), true);
    let live = edge.live(origin.address());
    eventually("it is open", || live.in_flight() == 1);
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    let answer = client.answer(asked);
    assert_eq!((answer.text().as_str(), answer.reset()), ("data: 1\n\ndata: 2\n\n", None));
    eventually("it has ended", || live.in_flight() == 0);
}

#[test]
fn an_event_stream_whose_client_reads_slowly_ends_as_its_framing_has_it() {
    let (origin, edge) = start();
    let mut client = RawClient::connect(edge.address());
    client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
    let live = edge.live(origin.address());
    eventually("it is open", || live.in_flight() == 1);
    // Until what is between them is full, and then until it is called.
    std::thread::sleep(Duration::from_millis(500));
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    std::thread::sleep(Duration::from_millis(200));
    let text = client.answer().text();
    assert!(text.ends_with("data: 1\n\n"), "{} bytes", text.len());
    eventually("it has ended", || live.in_flight() == 0);
}

#[test]
fn events_that_nobody_would_ask_for_again_are_waited_for() {
    for ask in ["POST /ends", "GET /gzip"] {
        let (origin, edge) = start();
        let mut client = RawClient::connect(edge.address());
        client.send(format!("{ask} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        let live = edge.live(origin.address());
        eventually("it is open", || live.in_flight() == 1);
        depart(&origin, &edge, Drain::all(Duration::ZERO));
        assert_eq!(client.answer().text(), "data: 1\n\ndata: 2\n\n", "{ask}");
    }
}

#[test]
fn a_long_frame_that_moves_is_not_torn() {
    let (origin, edge) = start();
    let mut client = RawClient::connect(edge.address());
    client.send(ask_for("websocket").replace("GET /", "GET /frame"));
    assert_eq!(client.head().status, 101);
    assert_eq!(client.take(4).unwrap(), [0x82, 126, 0x01, 0xf4]);
    depart(&origin, &edge, Drain::all(Duration::ZERO));
    assert_eq!(client.take(500).unwrap(), [b'f'; 500]);
    assert_eq!(client.take(4).unwrap(), GOING_AWAY);
}

#[test]
fn an_edge_that_stops_takes_leave_of_websockets() {
    let (_origin, edge) = start();
    let mut client = upgraded(&edge, "websocket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopping = std::thread::spawn(move || runtime.block_on(edge.edge.stop(testkit::DEADLINE)));
    assert_eq!(client.take(4).unwrap(), GOING_AWAY);
    client.send([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]).end();
    assert_eq!(stopping.join().unwrap(), 0, "none was cut off");
}
