//! Responses that have no body, from instances that speak HTTP/2, whenever and however their streams end.

use model::UpstreamProtocol;
use testkit::{H2Origin, H2Step, Line, Protocol, Talk, TestEdge};

/// What would be the next response on a connection of HTTP/1 if it were passed on.
const FORGED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";

/// What an instance sends behind a head.
fn behind(path: &str) -> Vec<H2Step> {
    match path {
        "/end" => vec![H2Step::End],
        "/empty" => vec![H2Step::Data(Vec::new()), H2Step::Data(Vec::new()), H2Step::End],
        "/body" => vec![H2Step::Data(FORGED.to_vec()), H2Step::End],
        "/trailers" => vec![H2Step::Trailers(&[("x-sum", "1")])],
        "/later" => vec![H2Step::Hang],
        _ => unreachable!("no such path"),
    }
}

fn edge(status: u16, fields: &'static [(&'static str, &'static str)]) -> (H2Origin, TestEdge) {
    let origin = H2Origin::start(move |head| match head.uri.path() {
        "/next" => vec![H2Step::Head(200, &[]), H2Step::Data(b"next".to_vec()), H2Step::End],
        path => [vec![H2Step::Head(status, fields)], behind(path)].concat(),
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = UpstreamProtocol::H2;
    });
    (origin, edge)
}

#[test]
fn nothing_that_follows_their_head_reaches_a_client() {
    for (method, status) in
        [("GET", 204), ("GET", 304), ("HEAD", 200), ("HEAD", 204), ("HEAD", 304)]
    {
        for fields in [&[][..], &[("content-length", "42")]] {
            let (_origin, edge) = edge(status, fields);
            for protocol in Protocol::ALL {
                let mut line = Line::open(protocol, edge.address());
                for path in ["/end", "/empty", "/body", "/trailers", "/later"] {
                    let case = format!("{protocol:?}: {method} {status} {fields:?} {path}");
                    let reply = line.ask(Talk::new(method, path));
                    assert_eq!((reply.status, &reply.body[..]), (status, ""), "{case}");
                    assert_eq!(reply.field("transfer-encoding"), None, "{case}");
                    let next = line.get("/next");
                    assert_eq!((next.status, &next.body[..]), (200, "next"), "{case}");
                }
            }
        }
    }
}
