//! A check over HTTP/1.1.

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::ProbeFault;
use super::verdict::Expected;

pub(super) async fn ask(
    stream: TcpStream,
    host: &str,
    path: &str,
    expected: Expected<'_>,
) -> Result<(), ProbeFault> {
    let request = http::Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, super::USER_AGENT)
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let Some(mut search) = expected.judge(answer.status().as_u16())? else { return Ok(()) };
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame?.into_data() else { continue };
            if let Some(found) = search.take_up(&piece) {
                return if found { Ok(()) } else { Err(ProbeFault::Body) };
            }
        }
        Err(ProbeFault::Body)
    };
    let mut exchange = std::pin::pin!(exchange);
    // Neither goes on alone: the connection moves what the exchange waits for.
    tokio::select! {
        biased;
        verdict = &mut exchange => return verdict,
        // Where it failed, the exchange says so too.
        _ = connection => {}
    }
    exchange.await
}
