use std::sync::Arc;

use model::StatusRange;
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
        }
    });
    (address, heard)
}

fn plan(address: SocketAddr, probe: HealthProbe) -> Plan {
    let check = HealthCheck {
        probe,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        healthy: 1,
        unhealthy: 1,
    };
    Plan { address, target: "app:80".into(), protocol: UpstreamProtocol::H1, check }
}

fn http(body: Option<&str>) -> HealthProbe {
    HealthProbe::Http {
        path: "/health?deep=1".into(),
        host: None,
        status: vec![StatusRange { first: 200, last: 399 }],
        body: body.map(str::to_owned),
    }
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
    assert_eq!(fault.to_string(), "the answer lacks the text");
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
    assert_eq!(fault.to_string(), "not an HTTP answer");
    let (silent, _) = serve(b"").await;
    let fault = once(&plan(silent, http(None))).await.unwrap_err();
    assert_eq!(fault.to_string(), "the connection broke");
    once(&plan(address, HealthProbe::Tcp)).await.unwrap();
}

#[tokio::test]
async fn gives_up_when_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut plan = plan(listener.local_addr().unwrap(), http(None));
    plan.check.timeout = Duration::from_millis(20);
    assert_eq!(once(&plan).await.unwrap_err().to_string(), "no answer within 20 ms");
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
