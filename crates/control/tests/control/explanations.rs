//! What would become of a request is told from what is served.

use std::net::IpAddr;

use control::{ExplainError, Question};
use edge::explain::{ChosenBy, Explanation, Forward, Outcome, Unserved};
use edge::routing::Lost;

use crate::bench::{Bench, Origin};

fn question(method: &str, url: &str) -> Question {
    Question { method: method.into(), url: url.into(), headers: Vec::new(), from: None }
}

/// The services that share the route's requests.
fn forwards(explanation: Explanation) -> Vec<Forward> {
    match explanation.outcome {
        Outcome::Forwarded(forwards) => forwards,
        other => panic!("{other:?}"),
    }
}

async fn bench(one: &Origin, other: &Origin) -> Bench {
    Bench::start(&format!(
        r#"
        [services.api]
        targets = ["{}", "{}"]
        [services.beta]
        targets = ["{}"]
        balance = "ip_hash"
        [[routes]]
        host = "shop.example.com"
        path = "/cart/*"
        cookies = {{ beta = "1" }}
        to = "beta"
        [[routes]]
        host = "shop.example.com"
        methods = ["POST"]
        respond = {{ status = 405, body = "no" }}
        "#,
        one.address, other.address, other.address
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_winner_the_losers_and_the_instance_are_told() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = bench(&one, &other).await;
    let mut asked = question("GET", "http://shop.example.com:8080/a/../cart/7?x=1");
    asked.headers = vec![("Cookie".into(), "a=b; beta=1".into())];
    let said = bench.handle.explain(asked).await.unwrap();
    assert_eq!(said.from, IpAddr::from([127, 0, 0, 1]));
    let found = said.found;
    assert_eq!((found.host.as_str(), found.path.as_str()), ("shop.example.com", "/cart/7"));
    let lost: Vec<_> = found.candidates.iter().map(|it| it.lost.clone()).collect();
    assert_eq!(lost, [None, Some(Lost::Method), Some(Lost::LessSpecific)]);
    assert_eq!(found.listener.as_ref().unwrap().name.as_str(), "web", "the only one on clear text");
    let forwards = forwards(found);
    let [forward] = &forwards[..] else { panic!("{forwards:?}") };
    assert_eq!(forward.service.name.as_str(), "beta");
    let choice = forward.choice.as_ref().unwrap().as_ref().unwrap();
    assert_eq!((choice.live.address, choice.by), (other.address, ChosenBy::Key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_instance_would_not_be_chosen() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = bench(&one, &other).await;
    bench.handle.drain("api", &one.address.to_string()).await.unwrap();
    for _ in 0..4 {
        let said = bench.handle.explain(question("GET", "/")).await.unwrap().found;
        let choice = forwards(said).remove(0).choice.unwrap().unwrap();
        assert_eq!((choice.live.address, choice.by), (other.address, ChosenBy::Load));
    }
    bench.handle.drain("api", &other.address.to_string()).await.unwrap();
    let said = bench.handle.explain(question("GET", "/")).await.unwrap().found;
    let refused = forwards(said).remove(0).choice.unwrap().unwrap_err();
    assert_eq!(refused, Unserved::Refusal(balance::Refusal::Down));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_was_given_decides_over_restarts_too() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let text = format!(
        "[services.api]\ntargets = [\"{}\", \"{}\"]\nsticky = {{ cookie = \"stay\" }}",
        one.address, other.address
    );
    let mut bench = Bench::start(&text).await;
    let mut asked = question("GET", "/");
    let answer = bench.answer().await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    asked.headers = vec![("cookie".into(), cookie.into())];
    let first = if one.requests() > 0 { one.address } else { other.address };
    bench.restart().await;
    for _ in 0..4 {
        let said = bench.handle.explain(asked.clone()).await.unwrap().found;
        let choice = forwards(said).remove(0).choice.unwrap().unwrap();
        assert_eq!((choice.live.address, choice.by), (first, ChosenBy::Cookie));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused() {
    let (one, other) = (Origin::start("one").await, Origin::start("other").await);
    let bench = bench(&one, &other).await;
    let ask = async |asked| bench.handle.explain(asked).await.unwrap_err();
    let refused = ask(question("GET", "http://[")).await;
    assert!(matches!(refused, ExplainError::Url { .. }));
    assert!(matches!(ask(question("G T", "/")).await, ExplainError::Method(_)));
    let refused = ask(question("GET", "/../..")).await;
    assert!(matches!(refused, ExplainError::Edge(edge::explain::ExplainError::Path(_))));
    let mut asked = question("GET", "/");
    asked.headers = vec![("x-a".into(), "1\r\nx-b: 2".into())];
    let refused = ask(asked).await;
    assert!(matches!(refused, ExplainError::Edge(edge::explain::ExplainError::Field(_))));
}
