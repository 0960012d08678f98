//! Edits of request headers, and what may come behind a body.

use model::Route;
use testkit::{Protocol, Talk};

use crate::{Stage, edits};

#[test]
fn edits_of_request_headers_hold_in_every_spelling_and_behind_the_body() {
    let stage = Stage::routed(|route| {
        route.policies.request_headers =
            edits(&[("x-env", "prod"), ("x-auth-user", "")], &["x-internal"]);
    });
    let spellings = ["X-Env", "x_env", "X_ENV", "x.env"];
    let others = ["X_Auth_User", "X_Internal", "X-Internal"];
    for protocol in Protocol::ALL {
        let mut talk = Talk::new("POST", "/").body("abc");
        for name in spellings.iter().chain(&others) {
            talk = talk.field(name, "evil").trailer(name, "evil");
        }
        let kept = talk.field("X-Environment", "mine").trailer("X-Sum", "1");
        let seen = stage.seen(protocol, kept);
        assert_eq!(seen.field("x-env"), Some("prod"), "{protocol:?}");
        assert_eq!(seen.field("x-auth-user"), Some(""));
        assert_eq!(seen.field("x-environment"), Some("mine"));
        assert!(!seen.head.contains("evil"), "{}", seen.head);
        assert_eq!(seen.trailers.to_lowercase(), "x-sum: 1\n");
        assert_eq!(seen.body, b"abc");
    }
}

#[test]
fn nothing_comes_behind_a_body_that_is_looked_at_in_heads() {
    let stage = Stage::routed(|_| {});
    for protocol in Protocol::ALL {
        let mut talk = Talk::new("POST", "/").body("abc");
        for name in [
            "Authorization",
            "Cookie",
            "X-Forwarded-For",
            "X_Forwarded_Prefix",
            "X-Original-URL",
            "X-Real-IP",
            "Forwarded",
            "X-Request-Id",
            "Content-Type",
            "Proxy",
        ] {
            talk = talk.trailer(name, "evil");
        }
        let seen = stage.seen(protocol, talk.trailer("X-Sum", "1"));
        assert_eq!(seen.trailers.to_lowercase(), "x-sum: 1\n", "{protocol:?}");
    }
    // HTTP/2 has no `Connection`.
    let talk = Talk::new("POST", "/").field("Connection", "x-mine").trailer("X-Mine", "1");
    assert_eq!(stage.seen(Protocol::H1, talk).trailers, "");
}

#[test]
fn edits_reach_what_plimsoll_writes_itself_and_apply_once() {
    let change = |route: &mut Route| {
        route.policies.request_headers = edits(
            &[("x-forwarded-proto", "https"), ("x_real_ip", "hidden"), ("x-request-id", "mine")],
            &["x-forwarded-host", "x-forwarded-port"],
        );
    };
    for stage in [Stage::routed(change), Stage::behind_a_proxy(change)] {
        for protocol in Protocol::ALL {
            let asked =
                Talk::get("/").field("X-Forwarded-Proto", "http").field("X-Request-Id", "a");
            let seen = stage.seen(protocol, asked);
            assert_eq!(seen.field("x-forwarded-proto"), Some("https"), "{protocol:?}");
            assert_eq!((seen.field("x_real_ip"), seen.field("x-real-ip")), (Some("hidden"), None));
            assert_eq!(seen.field("x-request-id"), Some("mine"));
            assert_eq!(seen.field("x-forwarded-host"), None);
            assert_eq!(seen.field("x-forwarded-port"), None);
            let forwarded = "for=127.0.0.1;host=\"example.com\";proto=https";
            assert_eq!(seen.field("forwarded"), Some(forwarded), "the scheme holds for both");
        }
    }
}
