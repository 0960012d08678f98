//! Policies and calls of gRPC: a refusal of ours is told in its own words, and one of an instance counts as what it means.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request};
use model::{Abuse, AbuseKey, AbuseMode, KeyPart, Per, Rate, Unrouted, UpstreamProtocol};
use telemetry::{AbuseOutcome, Ending};
use testkit::edge::Wanted;
use testkit::h2_client::request;
use testkit::limit::{limit, limit_use, requests};
use testkit::password::ended;
use testkit::{
    AccessLines, H2Client, H2Origin, H2Response, H2Step, RawClient, TestEdge, eventually,
};

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];
/// A message of no bytes.
const MESSAGE: &[u8] = &[0; 5];

/// An instance that ends each call with the status that its path is.
fn origin() -> H2Origin {
    H2Origin::start(|head| {
        let trailers: &[(&str, &str)] = match head.uri.path() {
            "/5" => &[("grpc-status", "5")],
            "/7" => &[("grpc-status", "7")],
            "/13" => &[("grpc-status", "13")],
            "/16" => &[("grpc-status", "16")],
            _ => &[("grpc-status", "0")],
        };
        vec![H2Step::Head(200, GRPC), H2Step::Data(MESSAGE.to_vec()), H2Step::Trailers(trailers)]
    })
}

fn over(origin: &H2Origin, change: impl FnOnce(&mut Wanted)) -> TestEdge {
    TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = UpstreamProtocol::H2;
        change(wanted);
    })
}

fn call(path: &str) -> Request<()> {
    let mut head = request("POST", path);
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    head.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    head
}

fn ask(edge: &TestEdge, path: &str) -> H2Response {
    H2Client::connect(edge.address()).ask(call(path), MESSAGE, None)
}

#[test]
fn a_call_over_a_limit_is_all_head_and_resource_exhausted() {
    let (origin, lines) = (origin(), AccessLines::default());
    let edge = over(&origin, |wanted| {
        let few = limit("few", requests(1), &[KeyPart::Ip]);
        wanted.routes[0].policies.limits = vec![limit_use(few, 1)];
        wanted.access_log = Some(lines.clone());
    });
    let first = ask(&edge, "/0");
    assert_eq!(first.trailers.expect("it passes")["grpc-status"], "0");
    let refused = ask(&edge, "/0");
    assert_eq!((refused.status, refused.field("grpc-status")), (200, Some("8")));
    assert_eq!(refused.field("content-type"), Some("application/grpc"));
    assert!(refused.body.is_empty() && refused.trailers.is_none(), "it is all head");
    let message = refused.field("grpc-message").expect("it says why");
    assert!(message.starts_with("There were too many requests."), "{message}");
    assert!(refused.field("ratelimit").is_some_and(|it| it.starts_with("\"few\";r=0")));
    let mut h1 = RawClient::connect(edge.address());
    h1.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n",
    );
    let refused = h1.answer();
    assert_eq!((refused.status, refused.field("grpc-status")), (200, Some("8")), "over HTTP/1 too");
    eventually("both are counted", || ended(&edge, Ending::Limited) == 2);
    drop(edge);
    let limited = lines.all().into_iter().filter(|line| line.field("ending") == "limited");
    let statuses: Vec<_> = limited
        .map(|line| (line.field("status").to_owned(), line.field("grpc_status").to_owned()))
        .collect();
    let meant = ("429".to_owned(), "RESOURCE_EXHAUSTED".to_owned());
    assert_eq!(statuses, [meant.clone(), meant]);
}

#[test]
fn a_status_of_a_call_counts_for_abuse_as_that_of_http_which_it_means() {
    let origin = origin();
    let rule = Arc::new(Abuse {
        name: "guessing".into(),
        statuses: vec![401, 403, 404],
        rate: Rate { units: NonZeroU64::MIN, per: Per::Day },
        burst: NonZeroU64::new(100).unwrap(),
        key: AbuseKey::Ip,
        ban: Duration::from_secs(600),
        mode: AbuseMode::Enforce,
        exempt: Vec::new(),
        unrouted: Unrouted::Ignored,
        keys: NonZeroU32::new(1_000).unwrap(),
    });
    let edge = over(&origin, |wanted| wanted.routes[0].policies.abuse = vec![rule]);
    let counted =
        || -> u64 { edge.edge.abuse().map(|(_, live)| live.total(AbuseOutcome::Counted)).sum() };
    for (calls, path, wanted) in
        [(1, "/0", 0), (2, "/13", 0), (3, "/16", 1), (4, "/7", 2), (5, "/5", 3)]
    {
        assert_eq!(ask(&edge, path).status, 200, "{path}");
        eventually("it has ended", || ended(&edge, Ending::Ok) == calls);
        assert_eq!(counted(), wanted, "{path}");
    }
}
