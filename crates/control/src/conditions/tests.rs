//! Conditions asked of a server that is scripted, with what Prometheus really says.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{Bounds, Document, Host, Scheme, Unknown};
use testkit::{Authority, Origin, Step, TlsFront};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::resolve::{Answer, Resolve, ResolveError, Resolver};

struct Nameless;

impl Resolve for Nameless {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer, ResolveError>> {
        async { Err(ResolveError::NoName) }.boxed()
    }
}

/// Responds to everything with `response`, and keeps what it was asked.
async fn serve(response: String) -> (Url, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = heard.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            hears.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            // The client may hang up on what is too long.
            let _ = stream.write_all(response.as_bytes()).await;
            held.push(stream);
        }
    });
    let (host, port) = (Host::Address(address.ip()), address.port());
    (Url { scheme: Scheme::Http, host, port, target: "/".to_owned() }, heard)
}

fn says(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn condition(asks: Asks) -> Condition {
    Condition {
        name: "p99".to_owned(),
        asks,
        ca: None,
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
        failures: NonZeroU32::MIN,
        token_env: None,
        unknown: Unknown::Hold,
    }
}

fn situation() -> Situation {
    Situation {
        service: "api".into(),
        version: "1.4.2".to_owned(),
        previous: Some("1.4.1".to_owned()),
        deploy: 7,
        stage: "step",
        step: Some(2),
        share: 0.25,
    }
}

async fn ask(condition: &Condition) -> Measurement {
    let mut environment = Environment::fixed();
    environment.variable = |name| (name == "TOKEN").then(|| "s3cret".into());
    let client = Client::new(Arc::new(Resolver(Arc::new(Nameless))));
    let outside = Outside { client, environment };
    outside.ask(condition, &situation()).await
}

fn prometheus(url: Url) -> Condition {
    let query = "max(p99{release=\"{version}\"}) / 1".to_owned();
    let bounds = Bounds { min: None, max: Some(0.25) };
    condition(Asks::Prometheus { url, query, bounds })
}

fn vector(values: &[&str]) -> String {
    let series = values.iter().map(|value| {
        format!("{{\"metric\":{{\"i\":\"a\"}},\"value\":[1435781451.781,\"{value}\"]}}")
    });
    let series: Vec<String> = series.collect();
    says(
        200,
        &format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{}]}}}}",
            series.join(",")
        ),
    )
}

#[tokio::test]
async fn a_query_names_what_is_deployed_and_its_one_value_is_compared() {
    let (url, heard) = serve(vector(&["0.3112345"])).await;
    let condition = Condition { token_env: Some("TOKEN".to_owned()), ..prometheus(url) };
    assert_eq!(ask(&condition).await, Measurement::Breached("0.3112 > 0.25".to_owned()));
    let heard = heard.lock().unwrap().clone();
    let query = "max%28p99%7Brelease%3D%221.4.2%22%7D%29%20%2F%201";
    assert!(heard.starts_with(&format!("GET /api/v1/query?query={query} HTTP/1.1\r\n")), "{heard}");
    assert!(heard.to_lowercase().contains("\r\nauthorization: bearer s3cret\r\n"), "{heard}");

    for (response, expected) in [
        (vector(&["0.25"]), Measurement::Met("0.25 <= 0.25".to_owned())),
        (vector(&["0.2500001"]), Measurement::Breached("0.2500001 > 0.25".to_owned())),
        (vector(&["+Inf"]), Measurement::Breached("inf > 0.25".to_owned())),
        (
            says(
                200,
                "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"0.1\"]}}",
            ),
            Measurement::Met("0.1 <= 0.25".to_owned()),
        ),
    ] {
        let (url, _) = serve(response).await;
        assert_eq!(ask(&prometheus(url)).await, expected);
    }
}

#[tokio::test]
async fn what_is_no_value_is_not_known_and_the_reason_is_said() {
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    let bad = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:9: parse error\"}";
    let matrix = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}";
    for (response, why) in [
        (vector(&[]), "the query has no sample"),
        (vector(&["NaN"]), "the value is NaN"),
        (vector(&["1", "2"]), "the query has 2 series: aggregate them, as by max()"),
        (says(400, bad), "Prometheus says: 1:9: parse error"),
        (says(200, matrix), "the query is a matrix, and has to be one value"),
        (says(503, "starting\nup"), "status 503: starting up"),
        (says(302, ""), "status 302: a redirect is not followed"),
        (says(200, "<html>"), "no response of Prometheus's query API"),
        (says(200, &long), "the response has more than 65536 bytes"),
    ] {
        let (url, _) = serve(response).await;
        assert_eq!(ask(&prometheus(url)).await, Measurement::Unknown(why.to_owned()));
    }
}

#[tokio::test]
async fn a_server_that_does_not_respond_in_time_is_given_up() {
    let (url, _) = serve(String::new()).await;
    let slow = Condition { timeout: Duration::from_millis(200), ..prometheus(url) };
    let Measurement::Unknown(why) = ask(&slow).await else { panic!("it said nothing") };
    assert!(why.starts_with("no response within "), "{why}");
    let nowhere = Url {
        scheme: Scheme::Http,
        host: Host::Name("nowhere".to_owned()),
        port: 80,
        target: "/".to_owned(),
    };
    let unknown =
        Measurement::Unknown("nowhere cannot be resolved: the name does not exist".to_owned());
    assert_eq!(ask(&prometheus(nowhere)).await, unknown);
}

#[tokio::test]
async fn a_webhook_is_told_what_is_deployed_and_its_status_decides() {
    for (status, expected) in [
        (204, Measurement::Met("status 204".to_owned())),
        (409, Measurement::Breached("status 409: no".to_owned())),
        (400, Measurement::Breached("status 400: no".to_owned())),
        (403, Measurement::Unknown("status 403: no".to_owned())),
        (404, Measurement::Unknown("status 404: no".to_owned())),
        (429, Measurement::Unknown("status 429: no".to_owned())),
        (500, Measurement::Unknown("status 500: no".to_owned())),
    ] {
        let response = match status {
            204 => "HTTP/1.1 204 X\r\n\r\n".to_owned(),
            status => says(status, "no"),
        };
        let (url, heard) = serve(response).await;
        let url = Url { target: "/ok?a=b".to_owned(), ..url };
        assert_eq!(ask(&condition(Asks::Webhook { url })).await, expected);
        let heard = heard.lock().unwrap().clone();
        assert!(heard.starts_with("POST /ok?a=b HTTP/1.1\r\n"), "{heard}");
    }
    let body = webhook::body(
        &condition(Asks::Webhook { url: serve(String::new()).await.0 }),
        &situation(),
    );
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let expected = serde_json::json!({
        "condition": "p99", "service": "api", "version": "1.4.2", "previous": "1.4.1", "deploy": 7,
        "stage": "step", "step": 2, "share": 0.25,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn over_tls_a_condition_believes_the_authority_that_is_given_and_no_other() {
    let held = vector(&["0.1"]);
    let origin = Origin::start(move |_| vec![Step::send(held.clone())]);
    let authority = Authority::default();
    let server = authority.server(&[&["127.0.0.1"]], &[]);
    let front = TlsFront::start(server, origin.address());
    let (scheme, address) = (Scheme::Https, front.address());
    let (host, port) = (Host::Address(address.ip()), address.port());
    let url = Url { scheme, host, port, target: "/".to_owned() };
    let given = |pem: String| Some(Document { name: "ca.pem".to_owned(), text: pem.into() });
    let known = Condition { ca: given(authority.pem()), ..prometheus(url.clone()) };
    assert_eq!(ask(&known).await, Measurement::Met("0.1 <= 0.25".to_owned()));

    let unknown = Condition { ca: given(Authority::default().pem()), ..prometheus(url) };
    let Measurement::Unknown(why) = ask(&unknown).await else { panic!("it was believed") };
    assert!(why.starts_with("the certificate of 127.0.0.1 is not trusted: "), "{why}");
    assert_eq!(origin.journal().len(), 1, "nothing is sent before a server is believed");
}
