//! What a client of HTTP/2 may try: floods end its connection with ENHANCE_YOUR_CALM, and what a
//! translation to HTTP/1 could turn into another request is never forwarded.

use testkit::frames::{END_HEADERS, END_STREAM, block, kind};
use testkit::{FrameClient, H2Client, Origin, Step, TestEdge, eventually};

const PROTOCOL_ERROR: u32 = 0x1;
const ENHANCE_YOUR_CALM: u32 = 0xb;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

fn post(length: &'static str) -> Vec<(&'static str, &'static str)> {
    [(":method", "POST")]
        .into_iter()
        .chain(GET.into_iter().skip(1))
        .chain([("content-length", length)])
        .collect()
}

/// The same, to where nothing is answered.
fn hanging(length: &'static str) -> Vec<(&'static str, &'static str)> {
    let field = |(name, value)| (name, if name == ":path" { "/hang" } else { value });
    post(length).into_iter().map(field).collect()
}

fn start() -> (Origin, TestEdge) {
    let origin = Origin::start(|request| match &*request.target {
        "/hang" => vec![Step::Echo],
        _ => vec![Step::answer(200, "fine")],
    });
    let edge = TestEdge::start(&[origin.address()]);
    (origin, edge)
}

/// Sends without end what `next` sends; the code with which the connection is ended.
fn flood(edge: &TestEdge, mut next: impl FnMut(&mut FrameClient, u32) -> bool) -> Option<u32> {
    let mut client = FrameClient::connect(edge.address());
    // Far more than is allowed, and it ends by itself.
    for n in 0..200_000 {
        if !next(&mut client, n) {
            break;
        }
    }
    client.next_of(kind::GOAWAY).ok().and_then(|frame| frame.reason())
}

/// Afterwards all is as before for everybody else.
fn goes_on(origin: &Origin, edge: &TestEdge) {
    assert_eq!(H2Client::connect(edge.address()).get("/").text(), "fine");
    let live = edge.live(origin.address());
    eventually("nothing is open", || live.in_flight() == 0);
    eventually("no connection is held", || edge.edge.connections() <= 1);
}

#[test]
fn a_flood_is_ended_with_enhance_your_calm() {
    let (origin, edge) = start();
    let get = block(&GET);
    let rapid_reset = |client: &mut FrameClient, n: u32| {
        let stream = 2 * n + 1;
        client.send(kind::HEADERS, END_HEADERS | END_STREAM, stream, &get)
            && client.send(kind::RST_STREAM, 0, stream, &CANCEL)
    };
    assert_eq!(flood(&edge, rapid_reset), Some(ENHANCE_YOUR_CALM), "rapid reset");
    goes_on(&origin, &edge);
    let ping = |client: &mut FrameClient, _| client.send(kind::PING, 0, 0, &[0; 8]);
    assert_eq!(flood(&edge, ping), Some(ENHANCE_YOUR_CALM), "PING");
    let window = [0, 4, 0, 0, 0xff, 0xff];
    let settings = |client: &mut FrameClient, _| client.send(kind::SETTINGS, 0, 0, &window);
    assert_eq!(flood(&edge, settings), Some(ENHANCE_YOUR_CALM), "SETTINGS");
    let field = block(&[("x", "y")]);
    let continuation = |client: &mut FrameClient, n: u32| match n {
        0 => client.send(kind::HEADERS, END_STREAM, 1, &get),
        _ => client.send(kind::CONTINUATION, 0, 1, &field),
    };
    assert_eq!(flood(&edge, continuation), Some(ENHANCE_YOUR_CALM), "CONTINUATION");
    let empty = |client: &mut FrameClient, n: u32| match n {
        0 => client.send_head(0, 1, &post("5")),
        _ => client.send(kind::DATA, 0, 1, &[]),
    };
    assert_eq!(flood(&edge, empty), Some(ENHANCE_YOUR_CALM), "empty DATA");
    goes_on(&origin, &edge);
}

#[test]
fn streams_reset_as_soon_as_they_reach_an_instance_are_a_flood_as_well() {
    let (origin, edge) = start();
    let hang: Vec<_> =
        GET.map(|(name, value)| (name, if name == ":path" { "/hang" } else { value })).into();
    let hang = block(&hang);
    let slowly = |client: &mut FrameClient, n: u32| {
        let stream = 2 * n + 1;
        let opened = client.send(kind::HEADERS, END_HEADERS | END_STREAM, stream, &hang);
        if n.is_multiple_of(50) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        opened && client.send(kind::RST_STREAM, 0, stream, &CANCEL)
    };
    assert_eq!(flood(&edge, slowly), Some(ENHANCE_YOUR_CALM));
    goes_on(&origin, &edge);
}

/// What a stream with such a head is answered with: RST_STREAM's code, or a status of 4xx, which is
/// the only one that a table without compression writes as text or indexed. A stream before it and
/// one after it, on the same connection, are answered.
fn refusal(edge: &TestEdge, fields: &[(&str, &str)]) -> String {
    let mut client = FrameClient::connect(edge.address());
    client.send_head(0, 1, &post("2"));
    client.send_head(END_STREAM, 3, fields);
    client.send_head(END_STREAM, 5, &GET);
    let (mut refusal, mut answered, mut body) = (None, 0, Some(b"hi"));
    while refusal.is_none() || answered < 2 {
        let frame = client.next_frame().expect("the connection goes on");
        match (frame.kind, frame.stream) {
            (kind::RST_STREAM, 3) => refusal = Some(format!("{:?}", frame.reason())),
            (kind::HEADERS, 3) => refusal = Some(format!("{:?}", &frame.payload[..1])),
            // The static table's entry for `:status: 200`.
            (kind::HEADERS, 1 | 5) => {
                assert_eq!(frame.payload[0], 0x80 | 8);
                answered += 1;
            }
            (kind::GOAWAY | kind::RST_STREAM, _) => panic!("{fields:?} costs others: {frame:?}"),
            _ => {}
        }
        // The one before it ends only now.
        if refusal.is_some()
            && let Some(body) = body.take()
        {
            client.send(kind::DATA, END_STREAM, 1, body);
        }
    }
    refusal.expect("it was refused")
}

#[test]
fn a_head_that_means_something_else_in_http_1_is_refused() {
    let (origin, edge) = start();
    let with = |field: (&'static str, &'static str)| [&GET[..], &[field]].concat();
    let instead = |name: &str, value: &'static str| {
        GET.map(|(field, old)| (field, if field == name { value } else { old })).to_vec()
    };
    let without = |name: &str| GET.into_iter().filter(|(field, _)| *field != name).collect();
    let reset = format!("{:?}", Some(PROTOCOL_ERROR));
    // The static table's entry for `:status: 400` (RFC 7541 appendix A).
    let bad_request = format!("{:?}", [0x80 | 12_u8]);
    for (fields, refused) in [
        (with(("connection", "close")), &reset),
        (with(("transfer-encoding", "chunked")), &reset),
        (with(("upgrade", "websocket")), &reset),
        (with(("keep-alive", "5")), &reset),
        (with(("proxy-connection", "close")), &reset),
        (with(("te", "gzip")), &reset),
        (with(("X-Upper", "1")), &reset),
        (with(("x y", "1")), &reset),
        (with(("x:y", "1")), &reset),
        (with(("", "1")), &reset),
        (with(("x", "a\r\nEvil: 1")), &reset),
        (with(("x", "a\nb")), &reset),
        (with(("x", "a\0b")), &reset),
        (with(("x", "\u{7f}")), &reset),
        (with((":status", "200")), &reset),
        (with((":", "1")), &reset),
        (with((":path", "/again")), &reset),
        (with((":unknown", "1")), &reset),
        (with(("host", "b")), &bad_request),
        (with(("content-length", "+5")), &reset),
        (without(":method"), &reset),
        (without(":path"), &reset),
        (without(":scheme"), &reset),
        (without(":authority"), &bad_request),
        (instead(":path", ""), &reset),
        (instead(":scheme", ""), &reset),
        (instead(":path", "no-slash"), &reset),
        (instead(":path", "/a b"), &reset),
        (instead(":path", "/a\r\nEvil: 1"), &reset),
        (instead(":path", "/../etc"), &bad_request),
        (instead(":path", "/a#b"), &bad_request),
        (instead(":path", "/#"), &bad_request),
        (instead(":method", "GE T"), &reset),
        (instead(":authority", "a b"), &reset),
        (instead(":authority", "user@a"), &bad_request),
    ] {
        assert_eq!(&refusal(&edge, &fields), refused, "{fields:?}");
    }
    let forwarded = origin.journal().into_iter().filter(|it| !matches!(&*it.target, "/" | "/hang"));
    assert_eq!(forwarded.count(), 0, "none was forwarded");
    assert!(!origin.journal().iter().any(|it| it.head.to_lowercase().contains("evil")));
    goes_on(&origin, &edge);
}

/// What is wrong with one stream alone, and is no head.
#[test]
fn a_malformed_frame_of_one_stream_costs_nobody_else() {
    let (origin, edge) = start();
    // RFC 9113 §6.9 and §6.3, and a stream that depends on itself.
    let frames: [(&str, u8, &[u8]); 4] = [
        ("a window that opens by nothing", 8, &[0, 0, 0, 0]),
        ("the same with the reserved bit", 8, &[0x80, 0, 0, 0]),
        ("a short PRIORITY", 2, &[0, 0, 0, 0]),
        ("a dependency on itself", 2, &[0, 0, 0, 3, 1]),
    ];
    for (what, of_kind, payload) in frames {
        let mut client = FrameClient::connect(edge.address());
        client.send_head(0, 1, &post("2"));
        client.send_head(0, 3, &post("2"));
        client.send(of_kind, 0, 3, payload);
        let reset = client.next_of(kind::RST_STREAM).expect("the connection goes on");
        assert_eq!((reset.stream, reset.reason()), (3, Some(PROTOCOL_ERROR)), "{what}");
        client.send(kind::DATA, END_STREAM, 1, b"hi");
        let answer = client.next_of(kind::HEADERS).expect("the connection goes on");
        assert_eq!((answer.stream, answer.payload[0]), (1, 0x80 | 8), "{what}");
    }
    goes_on(&origin, &edge);
}

#[test]
fn trailers_with_a_pseudo_header_cost_their_stream_alone() {
    let (origin, edge) = start();
    for pseudo in
        [(":path", "/again"), (":method", "GET"), (":scheme", "http"), (":authority", "b")]
    {
        let mut client = FrameClient::connect(edge.address());
        client.send_head(0, 1, &post("2"));
        // It is not answered before its trailers have come.
        client.send_head(0, 3, &hanging("2"));
        client.send(kind::DATA, 0, 3, b"hi");
        client.send_head(END_STREAM, 3, &[("x", "1"), pseudo]);
        let reset = client.next_of(kind::RST_STREAM).expect("the connection goes on");
        assert_eq!((reset.stream, reset.reason()), (3, Some(PROTOCOL_ERROR)), "{pseudo:?}");
        client.send(kind::DATA, 0, 1, b"hi");
        client.send_head(END_STREAM, 1, &[("x", "1")]);
        let answer = client.next_of(kind::HEADERS).expect("the connection goes on");
        assert_eq!((answer.stream, answer.payload[0]), (1, 0x80 | 8), "{pseudo:?}");
    }
    goes_on(&origin, &edge);
}

/// What a malformed head has added to the table can be referred to by the next one, as encoders of
/// proxies do, that put many users' requests on one connection.
#[test]
fn the_table_of_a_connection_outlives_a_malformed_head() {
    let (origin, edge) = start();
    let mut client = FrameClient::connect(edge.address());
    let head = block(&GET);
    let bad = [&head[..], b"\x40\x06x-user\x03ann", b"\x40\x04X-Up\x011"].concat();
    client.send(kind::HEADERS, END_HEADERS | END_STREAM, 1, &bad);
    assert_eq!(client.next_of(kind::RST_STREAM).expect("it goes on").stream, 1);
    // The second entry of the dynamic table: `x-user: ann`.
    let good = [&head[..], &[0x80 | 63]].concat();
    client.send(kind::HEADERS, END_HEADERS | END_STREAM, 3, &good);
    assert_eq!(client.next_of(kind::HEADERS).expect("it goes on").stream, 3);
    let journal = origin.journal();
    assert_eq!(journal.len(), 1);
    assert_eq!(journal[0].fields("x-user").collect::<Vec<_>>(), ["ann"]);
}

/// More than the `h2` crate bears over the life of a connection, as one of a proxy may last.
#[test]
fn a_connection_of_many_users_bears_the_errors_of_some() {
    let (origin, edge) = start();
    let mut client = FrameClient::connect(edge.address());
    let bad = block(&[&GET[..], &[("X-Up", "1")]].concat());
    let good = block(&GET);
    for n in 0..1_500u32 {
        client.send(kind::HEADERS, END_HEADERS | END_STREAM, 4 * n + 1, &bad);
        client.send(kind::HEADERS, END_HEADERS | END_STREAM, 4 * n + 3, &good);
        loop {
            let frame = client.next_frame().expect("the connection goes on");
            assert_ne!(frame.kind, kind::GOAWAY, "after {n}");
            if frame.kind == kind::HEADERS {
                assert_eq!(frame.stream, 4 * n + 3);
                break;
            }
        }
    }
    drop(client);
    goes_on(&origin, &edge);
}

#[test]
fn malformed_heads_alone_are_a_flood() {
    let (origin, edge) = start();
    let bad = block(&[&GET[..], &[("X-Up", "1")]].concat());
    let malformed = |client: &mut FrameClient, n: u32| {
        client.send(kind::HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &bad)
    };
    assert_eq!(flood(&edge, malformed), Some(ENHANCE_YOUR_CALM));
    goes_on(&origin, &edge);
}

#[test]
fn a_body_that_its_length_contradicts_never_arrives_whole() {
    let (origin, edge) = start();
    for (length, data) in [("5", "abc"), ("3", "abcde"), ("0", "a")] {
        let mut client = FrameClient::connect(edge.address());
        client.send_head(0, 1, &post(length));
        client.send(kind::DATA, END_STREAM, 1, data.as_bytes());
        let reset = client.next_of(kind::RST_STREAM).expect("the stream is reset");
        assert_eq!(reset.reason(), Some(PROTOCOL_ERROR), "{length}: {data}");
    }
    // The same, when the head was read long before the data comes, as so many answers show.
    let mut client = FrameClient::connect(edge.address());
    client.send_head(0, 1, &post("0"));
    for _ in 0..20 {
        client.send(kind::PING, 0, 0, &[0; 8]);
        client.next_of(kind::PING).expect("the head was read");
    }
    client.send(kind::DATA, END_STREAM, 1, b"a");
    let reset = client.next_of(kind::RST_STREAM).expect("the stream is reset");
    assert_eq!(reset.reason(), Some(PROTOCOL_ERROR), "0, then a");
    goes_on(&origin, &edge);
    let arrived = origin.journal().into_iter().filter(|request| request.method == "POST");
    assert_eq!(arrived.count(), 0, "none arrived whole");
}

#[test]
fn an_empty_body_may_end_after_its_head() {
    let (origin, edge) = start();
    let mut client = FrameClient::connect(edge.address());
    client.send_head(0, 1, &post("0"));
    client.send(kind::DATA, END_STREAM, 1, b"");
    client.next_of(kind::HEADERS).expect("an answer comes");
    assert_eq!(origin.journal().len(), 1);
}

#[test]
fn connect_is_told_that_there_is_no_tunnel() {
    let (origin, edge) = start();
    let mut client = FrameClient::connect(edge.address());
    client.send_head(END_STREAM, 1, &[(":method", "CONNECT"), (":authority", "a:443")]);
    let head = client.next_of(kind::HEADERS).expect("an answer comes");
    // A literal with the indexed name `:status`.
    assert_eq!(head.payload[..1], [0x48], "{head:?}");
    assert!(origin.journal().is_empty());
}

/// A stream that is refused is no work, and pays for no reset.
#[test]
fn rapid_reset_is_a_flood_also_where_streams_are_refused_in_between() {
    let (origin, edge) = start();
    let hang: Vec<_> =
        GET.map(|(name, value)| (name, if name == ":path" { "/hang" } else { value })).into();
    let (hang, open) = (block(&hang), block(&post("5")));
    // All but one of those that are agreed on stay open: of three more two are refused.
    let mixed = |client: &mut FrameClient, n: u32| {
        let stream = 2 * n + 1;
        match n {
            0..127 => client.send(kind::HEADERS, END_HEADERS, stream, &open),
            _ => {
                let first = 127 * 2 + 1 + 6 * (n - 127);
                let mut streams = [first, first + 2, first + 4].into_iter();
                streams.all(|stream| {
                    client.send(kind::HEADERS, END_HEADERS | END_STREAM, stream, &hang)
                }) && client.send(kind::RST_STREAM, 0, first, &CANCEL)
            }
        }
    };
    assert_eq!(flood(&edge, mixed), Some(ENHANCE_YOUR_CALM));
    goes_on(&origin, &edge);
}

#[test]
fn more_streams_than_agreed_are_refused_and_the_rest_served() {
    let (origin, edge) = start();
    let mut client = FrameClient::connect(edge.address());
    let settings = client.next_of(kind::SETTINGS).expect("settings come");
    let agreed = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 3]);
    let agreed =
        agreed.map(|setting| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]));
    let agreed = agreed.expect("a limit is agreed on");
    let open = post("5");
    for n in 0..=agreed {
        client.send_head(0, 2 * n + 1, &open);
    }
    let refused = client.next_of(kind::RST_STREAM).expect("one is refused");
    assert_eq!((refused.stream, refused.reason()), (2 * agreed + 1, Some(7)), "REFUSED_STREAM");
    drop(client);
    goes_on(&origin, &edge);
}
