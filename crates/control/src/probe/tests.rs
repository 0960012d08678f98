use std::sync::Arc;

use model::{GrpcProbe, HttpProbe, ProbeMethod, StatusRange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::*;

/// A server that answers each connection with `answer` and keeps what it was asked.
async fn serve(answer: &'static [u8]) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            *hears.lock().await = String::from_utf8_lossy(&bytes[..read]).into_owned();
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            // Closed with something unread in it, it would be reset, and the answer lost.
            tokio::spawn(async move { while matches!(stream.read(&mut bytes).await, Ok(1..)) {} });
        }
    });
    (address, heard)
}

fn plan(address: SocketAddr, probe: HealthProbe) -> ProbePlan {
    let check = HealthCheck {
        probe,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        healthy: 1,
        unhealthy: 1,
    };
    let checker = Checker::start(Default::default()).unwrap();
    let (protocol, violations) = (UpstreamProtocol::H1, Violations::Refused);
    ProbePlan { address, target: "app:80".into(), protocol, tls: None, violations, check, checker }
}

fn http(body: Option<&str>) -> HealthProbe {
    HealthProbe::Http(HttpProbe {
        method: ProbeMethod::Get,
        path: "/health?deep=1".into(),
        host: None,
        headers: ProbeHeaders::default(),
        status: vec![StatusRange { first: 200, last: 399 }],
        body: body.map(str::to_owned),
    })
}

#[tokio::test]
async fn asks_for_the_path_as_plimsoll_and_names_the_target() {
    let (address, heard) = serve(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    once(&plan(address, http(None))).await.unwrap();
    let heard = heard.lock().await.to_lowercase();
    assert!(heard.starts_with("get /health?deep=1 http/1.1\r\n"), "{heard}");
    assert!(heard.contains("\r\nhost: app:80\r\n"), "{heard}");
    assert!(heard.contains("\r\nuser-agent: plimsoll-health\r\n"), "{heard}");
}

#[tokio::test]
async fn judges_status_and_body() {
    let (address, _) = serve(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await;
    let fault = once(&plan(address, http(None))).await.unwrap_err();
    assert_eq!(fault.to_string(), "status 503");
    // Framed by the connection's end.
    let (address, _) = serve(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall is ready").await;
    once(&plan(address, http(Some("ready")))).await.unwrap();
    let fault = once(&plan(address, http(Some("steady")))).await.unwrap_err();
    assert_eq!(fault.to_string(), "the response lacks the text");
}

#[tokio::test]
async fn says_what_went_wrong() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let fault = once(&plan(closed, HealthProbe::Tcp)).await.unwrap_err();
    assert_eq!(fault.to_string(), "connection refused");
    let (address, _) = serve(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let fault = once(&plan(address, http(None))).await.unwrap_err();
    assert_eq!(fault.to_string(), "not an HTTP response");
    let (silent, _) = serve(b"").await;
    let fault = once(&plan(silent, http(None))).await.unwrap_err();
    assert_eq!(fault.to_string(), "connection closed without a response");
    once(&plan(address, HealthProbe::Tcp)).await.unwrap();
}

#[tokio::test]
async fn gives_up_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), http(None));
    plan.check.timeout = Duration::from_millis(20);
    assert_eq!(once(&plan).await.unwrap_err().to_string(), "no response within 20 ms");
}

#[tokio::test]
async fn speaks_http2_by_prior_knowledge_where_the_service_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), http(Some("ready")));
    plan.protocol = UpstreamProtocol::H2;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut body = respond.send_response(http::Response::new(()), false).unwrap();
        body.send_data("it is ready".into(), true).unwrap();
        while connection.accept().await.is_some() {}
        request.uri().to_string()
    });
    once(&plan).await.unwrap();
    assert_eq!(server.await.unwrap(), "http://app:80/health?deep=1");
}

#[tokio::test]
async fn what_may_not_be_passed_on_passes_no_check() {
    const REFUSED: &[(&str, &str)] = &[
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "two framings",
        ),
        (
            "Content-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "two framings",
        ),
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "two framings"),
        ("Content-Length: +2\r\n\r\nok", "may be passed on: Content-Length"),
        (
            "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "may be passed on: Transfer-Encoding",
        ),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n", "may be passed on: the chunked body"),
        (
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA\r\n\r\n",
            "may be passed on: the trailer",
        ),
        ("A: b\r\n c: d\r\n\r\n", "may be passed on"),
        ("A: b\n\r\n", "not an HTTP response: a line ends with a bare LF"),
        ("Content-Length: 3\r\n\r\nok", "in the middle of the response"),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "in the middle of the response"),
    ];
    for (rest, why) in REFUSED {
        let response = format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
        let (address, _) = serve(response.leak()).await;
        let fault = once(&plan(address, http(None))).await.unwrap_err();
        assert!(fault.to_string().contains(why), "{rest:?}: {fault}");
    }
    for (head, why) in [
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "status 101"),
        ("HTTP/1.1 99 X\r\n\r\n", "not an HTTP response"),
        ("HTTP/3.0 200 OK\r\n\r\n", "not an HTTP response"),
        ("220 mail.example.com ESMTP\r\n", "not an HTTP response"),
    ] {
        let (address, _) = serve(head.as_bytes()).await;
        let fault = once(&plan(address, http(None))).await.unwrap_err();
        assert!(fault.to_string().contains(why), "{head:?}: {fault}");
    }
    let informed = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let many = (informed.repeat(17) + "HTTP/1.1 200 OK\r\n\r\n").leak();
    let (address, _) = serve(many.as_bytes()).await;
    let fault = once(&plan(address, http(None))).await.unwrap_err();
    assert_eq!(fault.to_string(), "more than 16 heads of 1xx");
    let (address, _) = serve(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 X\r\n\r\n").await;
    assert_eq!(once(&plan(address, http(None))).await.unwrap(), Passed("status 204".into()));
}

#[tokio::test]
async fn a_body_that_is_longer_than_64_kib_is_whole_enough() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let (address, _) = serve((head.to_owned() + &"x".repeat(70_000)).leak().as_bytes()).await;
    once(&plan(address, http(None))).await.unwrap();
    let fault = once(&plan(address, http(Some("y")))).await.unwrap_err();
    assert_eq!(fault.to_string(), "the response lacks the text");
}

#[tokio::test]
async fn a_response_that_never_ends_is_too_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), http(None));
    plan.check.timeout = Duration::from_millis(300);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").await.unwrap();
        stream
    });
    let fault = once(&plan).await.unwrap_err();
    assert_eq!(fault.to_string(), "no whole response within 300 ms");
    drop(server);
}

/// What a server of HTTP/2 sends back to a check.
async fn ask_h2(response: http::Response<()>, body: &'static str) -> Result<Passed, ProbeFault> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), http(None));
    plan.protocol = UpstreamProtocol::H2;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut sent = respond.send_response(response, body.is_empty()).unwrap();
        if !body.is_empty() {
            sent.send_data(body.into(), true).unwrap();
        }
        while connection.accept().await.is_some() {}
    });
    once(&plan).await
}

#[tokio::test]
async fn over_http2_too_what_may_not_be_passed_on_passes_no_check() {
    let response = |fields: &[(&str, &str)]| {
        let builder = http::Response::builder();
        let add = |builder: http::response::Builder, (name, value): &(&str, &str)| {
            builder.header(*name, *value)
        };
        fields.iter().fold(builder, add).body(()).unwrap()
    };
    let two = response(&[("content-length", "2"), ("content-length", "2")]);
    let fault = ask_h2(two, "ok").await.unwrap_err();
    assert!(fault.to_string().contains("Content-Length"), "{fault}");
    let short = response(&[("content-length", "5")]);
    let fault = ask_h2(short, "ok").await.unwrap_err();
    assert!(fault.to_string().starts_with("not an HTTP/2 response"), "{fault}");
    assert_eq!(ask_h2(response(&[]), "ok").await.unwrap(), Passed("status 200".into()));
    // A server of HTTP/1.1, asked in HTTP/2.
    let (address, _) = serve(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let mut plan = plan(address, http(None));
    plan.protocol = UpstreamProtocol::H2;
    let fault = once(&plan).await.unwrap_err();
    assert!(fault.to_string().starts_with("not an HTTP/2 response"), "{fault}");
}

#[tokio::test]
async fn sends_what_it_is_told_to() {
    let (address, heard) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    let headers = [("user-agent", "kube-probe"), ("x-forwarded-proto", "https")];
    let probe = HealthProbe::Http(HttpProbe {
        method: ProbeMethod::Head,
        path: "/".into(),
        host: Some("api.internal".into()),
        headers: ProbeHeaders(headers.map(|(name, value)| (name.into(), value.into())).into()),
        status: vec![StatusRange { first: 200, last: 200 }],
        body: None,
    });
    // A response to HEAD has no body, whatever length it announces.
    assert_eq!(once(&plan(address, probe)).await.unwrap(), Passed("status 200".into()));
    let heard = heard.lock().await.to_lowercase();
    assert!(heard.starts_with("head / http/1.1\r\nhost: api.internal\r\n"), "{heard}");
    assert!(heard.contains("\r\nx-forwarded-proto: https\r\n"), "{heard}");
    assert_eq!(heard.matches("user-agent: ").count(), 1, "{heard}");
    assert!(heard.contains("user-agent: kube-probe\r\n"), "{heard}");
}

/// A gRPC server that ends each call with `trailers`, after `message` if there is one. What it was asked.
async fn serve_grpc(
    content_type: &'static str,
    message: Option<&'static [u8]>,
    trailers: &'static [(&'static str, &'static str)],
) -> (SocketAddr, tokio::task::JoinHandle<(http::request::Parts, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let (parts, mut incoming) = request.into_parts();
        let reading = async move {
            let mut body = Vec::new();
            while let Some(piece) = incoming.data().await {
                body.extend_from_slice(&piece.unwrap());
            }
            body
        };
        let body = tokio::select! {
            body = reading => body,
            _ = async { while connection.accept().await.is_some() {} } => panic!("it is asked to its end"),
        };
        let mut fields = http::HeaderMap::new();
        for (name, value) in trailers {
            fields.append(*name, value.parse().unwrap());
        }
        let mut head =
            http::Response::builder().header("content-type", content_type).body(()).unwrap();
        match message {
            Some(message) => {
                let mut sending = respond.send_response(head, false).unwrap();
                sending.send_data(message.into(), false).unwrap();
                sending.send_trailers(fields).unwrap();
            }
            None => {
                head.headers_mut().extend(fields);
                respond.send_response(head, true).unwrap();
            }
        }
        while connection.accept().await.is_some() {}
        (parts, body)
    });
    (address, server)
}

fn grpc_plan(address: SocketAddr, service: &str) -> ProbePlan {
    let headers = ProbeHeaders(vec![("x-tenant".into(), "1".into())]);
    let probe = GrpcProbe { service: service.into(), host: None, headers };
    let mut plan = plan(address, HealthProbe::Grpc(probe));
    plan.protocol = UpstreamProtocol::H2;
    plan
}

#[tokio::test]
async fn calls_grpcs_health_service() {
    let serving = Some(&b"\0\0\0\0\x02\x08\x01"[..]);
    let (address, server) = serve_grpc("application/grpc", serving, &[("grpc-status", "0")]).await;
    assert_eq!(once(&grpc_plan(address, "a.B")).await.unwrap(), Passed("SERVING".into()));
    let (asked, body) = server.await.unwrap();
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.uri, "http://app:80/grpc.health.v1.Health/Check");
    for (name, value) in
        [("te", "trailers"), ("content-type", "application/grpc"), ("x-tenant", "1")]
    {
        assert_eq!(asked.headers[name], value);
    }
    assert_eq!(body, b"\0\0\0\0\x05\x0a\x03a.B");
}

#[tokio::test]
async fn nothing_but_serving_passes_a_check_by_grpc() {
    const OK: &[(&str, &str)] = &[("grpc-status", "0")];
    const UNKNOWN: &[(&str, &str)] = &[("grpc-status", "5"), ("grpc-message", "what is a.B?")];
    let grpc = "application/grpc";
    for (content_type, message, trailers, words) in [
        (grpc, Some(&b"\0\0\0\0\x02\x08\x02"[..]), OK, "NOT_SERVING"),
        (grpc, Some(&b"\0\0\0\0\x02\x08\x03"[..]), OK, "SERVICE_UNKNOWN"),
        (grpc, Some(&b"\0\0\0\0\0"[..]), OK, "neither SERVING nor NOT_SERVING"),
        (grpc, Some(&b"\0\0\0\0\x09\x08\x01"[..]), OK, "not a HealthCheckResponse"),
        (grpc, None, OK, "not a HealthCheckResponse"),
        (grpc, None, UNKNOWN, "the service `a.B` is not known (NOT_FOUND): what is a.B?"),
        (grpc, None, &[("grpc-status", "12")], "there is no grpc.health.v1.Health (UNIMPLEMENTED)"),
        (grpc, None, &[], "not gRPC: the response has no grpc-status"),
        ("text/html", None, OK, "not gRPC: content-type \"text/html\""),
    ] {
        let (address, _server) = serve_grpc(content_type, message, trailers).await;
        let fault = once(&grpc_plan(address, "a.B")).await.unwrap_err();
        assert_eq!(fault.to_string(), words);
    }
}
