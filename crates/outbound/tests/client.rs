//! The client against servers that do as they are told.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod world;

use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use outbound::{CertificateFault, Fault, Redirects, Request, Stage, Trust, parse};
use testkit::origin::{FullQueue, refusing_address};
use testkit::{Authority, Origin, Step};
use world::{World, front, redirect, said};

#[tokio::test]
async fn a_server_with_a_certificate_of_the_authority_that_is_given_is_asked_over_tls() {
    let origin = Origin::start(|_| {
        vec![Step::send("HTTP/1.1 201 X\r\nX-A: b\r\nContent-Length: 4\r\n\r\nkeys")]
    });
    let authority = Authority::default();
    let server = front(&authority.server(&[&["id.test"]], &[]), &origin);
    let world = World::default().named("id.test", &["127.0.0.1"]);
    let url = format!("https://id.test:{}/k?a=b", server.address().port());
    let response = world.client().ask(world::get(&url, &authority)).await.unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (201, &b"keys"[..]));
    assert_eq!(response.fields["x-a"], "b");
    let asked = &origin.journal()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/k?a=b"));
    let host = format!("id.test:{}", server.address().port());
    asked.has(&[("host", &host), ("connection", "close")]);
    assert!(asked.field("user-agent").is_some_and(|it| it.starts_with("plimsoll/")));
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_told_in_words() {
    let origin = Origin::polite("a");
    let (authority, other) = (Authority::default(), Authority::default());
    let world = World::default().named("id.test", &["127.0.0.1"]);
    let expired = authority.server_of(&[authority.issue_expired(&["id.test"])], &[]);
    let names = vec!["other.test".to_owned()];
    for (server, expected) in [
        (other.server(&[&["id.test"]], &[]), CertificateFault::Issuer),
        (authority.server(&[&["other.test"]], &[]), CertificateFault::Name(names)),
        (expired, CertificateFault::Expired),
    ] {
        let server = front(&server, &origin);
        let url = format!("https://id.test:{}/", server.address().port());
        let fault = world.client().ask(world::get(&url, &authority)).await.unwrap_err();
        let told = said(&fault);
        assert!(told.starts_with("the certificate of id.test is not trusted: "), "{told}");
        let Fault::Certificate { why, .. } = fault else { panic!("{told}") };
        assert_eq!(why, expected);
    }
    assert!(origin.journal().is_empty(), "nothing was sent to any of them");
}

#[tokio::test]
async fn authorities_that_cannot_be_used_are_refused() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, why) in [
        ("", "there is no certificate in PEM in it"),
        ("keys", "there is no certificate in PEM in it"),
        (broken, "certificate 1 cannot be used to check others"),
    ] {
        assert_eq!(Trust::of_pem(pem).unwrap_err().to_string(), why);
    }
    Trust::of_pem(&Authority::default().pem()).unwrap();
}

#[tokio::test]
async fn what_does_not_respond_is_told_by_what_was_waited_for() {
    let world = World::default().named("nowhere.test", &[]);
    let silent = Origin::start(|_| vec![Step::Echo]);
    let drips = Origin::start(|_| {
        vec![Step::send("HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nke"), Step::Echo]
    });
    let full = FullQueue::default();
    for (address, stage) in [
        (silent.address(), Stage::Response),
        (drips.address(), Stage::Body),
        (full.address(), Stage::Connect),
    ] {
        let request = Request {
            within: Duration::from_millis(300),
            ..world::plain(&format!("http://{address}/"))
        };
        let fault = world.client().ask(request).await.unwrap_err();
        assert!(matches!(fault, Fault::TooSlow { stage: it, .. } if it == stage), "{fault}");
        assert!(said(&fault).ends_with(" within 0.3 s"), "{fault}");
    }
    let address = refusing_address();
    let fault = world.ask(&format!("http://{address}/")).await.unwrap_err();
    assert_eq!(said(&fault), format!("cannot connect to {address}: connection refused"));
    let fault = world.ask("http://nowhere.test/").await.unwrap_err();
    assert_eq!(said(&fault), "nowhere.test cannot be resolved: the name does not exist");
}

#[tokio::test]
async fn what_is_no_response_or_too_much_of_one_is_no_response() {
    let head = format!("HTTP/1.1 200 X\r\nA: {}\r\n\r\n", "a".repeat(100 << 10));
    for (response, expected) in [
        (vec![Step::send("SSH-2.0-OpenSSH_9.2\r\n"), Step::Close], "gave no whole response"),
        (vec![Step::Close], "gave no whole response"),
        (vec![Step::send(head), Step::Close], "more than 64 KiB of header fields"),
        (
            vec![Step::send("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nkeys"), Step::Close],
            "gave no whole response",
        ),
        (
            vec![Step::send("HTTP/1.1 200 X\r\n\r\n"), Step::Pour(1 << 20), Step::Close],
            "the response has more than 65536 bytes",
        ),
    ] {
        let origin = Origin::start(move |_| response.clone());
        let fault = World::default().ask(&format!("http://{}/", origin.address())).await;
        let told = fault.map_or_else(|fault| said(&fault), |it| format!("{it:?}"));
        assert!(told.contains(expected), "{told} for {expected}");
    }
}

#[tokio::test]
async fn of_a_name_each_address_is_tried() {
    let origin = Origin::polite("a");
    // Nobody listens at the first two.
    let addresses = ["127.0.0.8", "127.0.0.9", "127.0.0.1"];
    let world = World::default().named("id.test", &addresses);
    let url = format!("http://id.test:{}/", origin.address().port());
    assert_eq!(world.ask(&url).await.unwrap().body, "a");
}

#[tokio::test]
async fn a_redirect_is_the_response_unless_it_is_to_be_followed() {
    let origin = Origin::start(|request| match request.target.as_str() {
        "/" => redirect("/second"),
        "/second" => redirect("third?x"),
        "/third?x" => vec![Step::answer(200, "keys")],
        _ => redirect("/for-ever"),
    });
    let world = World::default();
    let url = format!("http://{}/", origin.address());
    assert_eq!(world.ask(&url).await.unwrap().status, 302);
    assert_eq!(origin.journal().len(), 1);

    let followed = |path: &str, most| Request {
        redirects: Redirects::Followed(most),
        ..world::plain(&format!("http://{}{path}", origin.address()))
    };
    let response = world.client().ask(followed("/", 2)).await.unwrap();
    assert_eq!((&response.body[..], response.url.target.as_str()), (&b"keys"[..], "/third?x"));
    for (path, most) in [("/", 1), ("/for-ever", 5)] {
        let fault = world.client().ask(followed(path, most)).await.unwrap_err();
        assert!(matches!(fault, Fault::Redirects(it) if it == most), "{fault}");
    }
    let post = Request { method: http::Method::POST, ..followed("/", 5) };
    assert_eq!(world.client().ask(post).await.unwrap().status, 302, "only a GET is repeated");
}

#[tokio::test]
async fn what_a_farther_server_names_is_not_asked_where_it_is_nearer() {
    let inside = Origin::polite("the metadata of the cloud");
    let port = inside.address().port();
    for target in [
        format!("http://{}/", inside.address()),
        format!("//localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        // A name whose addresses are its owner's to choose, at each lookup anew.
        format!("http://rebound.test:{port}/"),
    ] {
        let public = Origin::at("127.0.0.2:0".parse().unwrap(), move |_| redirect(&target));
        let world = World::default()
            .named("id.test", &["127.0.0.2"])
            .named("localhost", &["127.0.0.1"])
            .named("rebound.test", &["127.0.0.1"]);
        let url = format!("http://id.test:{}/", public.address().port());
        let request = Request { redirects: Redirects::Followed(5), ..world::plain(&url) };
        let fault = world.client().ask(request).await.unwrap_err();
        assert!(matches!(fault, Fault::TooNear { .. }), "{fault}");
        assert!(said(&fault).contains("what a public address names may not lead there"), "{fault}");
    }
    assert!(inside.journal().is_empty());

    // What is as near as it may lead there, and so may what an operator wrote.
    let here = format!("http://{}/", inside.address());
    let near = Origin::start(move |_| redirect(&here));
    let url = format!("http://{}/", near.address());
    let request = Request { redirects: Redirects::Followed(5), ..world::plain(&url) };
    assert_eq!(World::default().client().ask(request).await.unwrap().status, 200);
}

#[tokio::test]
async fn of_a_name_with_far_and_near_addresses_only_the_far_ones_are_asked() {
    let (near, far) = (
        Origin::polite("near"),
        Origin::at("127.0.0.2:0".parse().unwrap(), |_| vec![Step::answer(200, "far")]),
    );
    let world = World::default().named("id.test", &["127.0.0.1", "127.0.0.2"]);
    let url = format!("http://id.test:{}/", far.address().port());
    let nearest = outbound::Standing::Public;
    let request = Request { nearest, ..world::plain(&url) };
    assert_eq!(world.client().ask(request).await.unwrap().body, "far");
    assert!(near.journal().is_empty());
}

#[tokio::test]
async fn a_redirect_never_leaves_tls() {
    let target = Origin::polite("in the clear");
    let to = format!("http://{}/", target.address());
    let origin = Origin::start(move |_| redirect(&to));
    let authority = Authority::default();
    let server = front(&authority.server(&[&["127.0.0.1"]], &[]), &origin);
    let url = format!("https://{}/", server.address());
    let request = Request { redirects: Redirects::Followed(5), ..world::get(&url, &authority) };
    let fault = World::default().client().ask(request).await.unwrap_err();
    assert!(matches!(fault, Fault::Downgrade), "{fault}");
    assert!(target.journal().is_empty());
}

#[tokio::test]
async fn credentials_go_to_nobody_else_and_are_never_shown() {
    let other = Origin::polite("a");
    let to = format!("http://{}/", other.address());
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/?key=s3cret" => redirect("/here"),
        _ => redirect(&to),
    });
    let url = format!("http://{}/?key=s3cret", origin.address());
    let request = Request { redirects: Redirects::Followed(5), ..world::plain(&url) }
        .with(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
    assert!(!format!("{request:?}").contains("s3cret"), "{request:?}");
    let response = World::default().client().ask(request).await.unwrap();
    assert!(!format!("{response:?}").contains("s3cret"), "{response:?}");
    let sent: Vec<_> =
        origin.journal().iter().map(|it| it.field("authorization").map(str::to_owned)).collect();
    assert_eq!(sent, vec![Some("Bearer s3cret".to_owned()); 2]);
    assert_eq!(other.journal()[0].field("authorization"), None);

    let refused = format!("http://{}/?key=s3cret", refusing_address());
    let fault = World::default().ask(&refused).await.unwrap_err();
    assert!(!said(&fault).contains("s3cret") && !format!("{fault:?}").contains("s3cret"));
    assert!(parse("https://alice:s3cret@a/").is_err_and(|it| !it.to_string().contains("s3cret")));
}
