//! A check over HTTP/2, on clear text by prior knowledge.

use http::header::{ACCEPT, USER_AGENT};
use tokio::net::TcpStream;

use super::ProbeFault;
use super::verdict::Expected;

pub(super) async fn ask(
    stream: TcpStream,
    host: &str,
    path: &str,
    expected: Expected<'_>,
) -> Result<(), ProbeFault> {
    let uri = http::Uri::builder().scheme("http").authority(host).path_and_query(path).build()?;
    let request = http::Request::get(uri)
        .version(http::Version::HTTP_2)
        .header(USER_AGENT, super::USER_AGENT)
        .header(ACCEPT, "*/*")
        .body(())?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    let exchange = async {
        let mut sender = sender.ready().await?;
        let (answer, _) = sender.send_request(request, true)?;
        let answer = answer.await?;
        let Some(mut search) = expected.judge(answer.status().as_u16())? else { return Ok(()) };
        let mut body = answer.into_body();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            if let Some(found) = search.take_up(&piece) {
                return if found { Ok(()) } else { Err(ProbeFault::Body) };
            }
        }
        Err(ProbeFault::Body)
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        verdict = &mut exchange => return verdict,
        _ = connection => {}
    }
    exchange.await
}
