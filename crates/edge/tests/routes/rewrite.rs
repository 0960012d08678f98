//! A rewritten target, and what the instance is told of it.

use model::{PathMatch, Rewrite};
use testkit::{Protocol, Talk};

use crate::Stage;

#[test]
fn a_rewrite_changes_target_and_host_and_tells_what_it_took() {
    let stage = Stage::routed(|route| {
        route.matcher.path = PathMatch::Prefix("/chat".into());
        route.policies.rewrite = Rewrite {
            strip_prefix: Some("/chat".into()),
            add_prefix: Some("/v2".into()),
            host: Some("chat.internal".into()),
        };
    });
    for protocol in Protocol::ALL {
        for (asked, target) in
            [("/chat/room?a=b/c", "/v2/room?a=b/c"), ("/chat", "/v2"), ("/chat/%41", "/v2/%41")]
        {
            let seen = stage.seen(protocol, Talk::get(asked).host("a.example:81"));
            assert_eq!(seen.target, target, "{protocol:?}");
            seen.has(&[
                ("host", "chat.internal"),
                ("x-forwarded-host", "a.example:81"),
                ("x-forwarded-prefix", "/chat"),
                ("x-forwarded-port", "81"),
            ]);
        }
    }
}
