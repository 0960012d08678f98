//! One question to one DNS server, without anybody's cache between.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::net::client::{Client, ClientHandle};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::tcp::TcpClientStream;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsMultiplexer;
use hickory_resolver::proto::op::{DnsResponse, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, RecordType};

/// How long one server may take for one question.
const WITHIN: Duration = Duration::from_secs(5);

/// Why a server said nothing of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("the DNS server {server} cannot be asked")]
    Unreachable { server: SocketAddr, source: NetError },
    #[error("the DNS server {server} does not answer for {name}: {code}")]
    Refused { server: SocketAddr, name: Name, code: ResponseCode },
}

/// What `server` says of `name`: records, or that there are none.
pub(crate) async fn ask(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<DnsResponse, AskError> {
    let unreachable = |source| AskError::Unreachable { server, source };
    let response = match over_udp(server, name, kind).await {
        Ok(response) if !response.truncation => response,
        // It may not fit, or not get through.
        _ => over_tcp(server, name, kind).await.map_err(unreachable)?,
    };
    match response.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(response),
        code => Err(AskError::Refused { server, name: name.clone(), code }),
    }
}

async fn over_udp(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<DnsResponse, NetError> {
    let stream = UdpClientStream::builder(server, TokioRuntimeProvider::new());
    let (mut client, driven) =
        Client::<TokioRuntimeProvider>::from_sender(stream.with_timeout(Some(WITHIN)).build());
    let driven = tokio::spawn(driven);
    let response = client.query(name.clone(), DNSClass::IN, kind).await;
    driven.abort();
    response
}

async fn over_tcp(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<DnsResponse, NetError> {
    let (stream, sender) =
        TcpClientStream::new(server, None, Some(WITHIN), TokioRuntimeProvider::new());
    let multiplexer = DnsMultiplexer::new(stream.await?, sender).with_timeout(WITHIN);
    let (mut client, driven) = Client::<TokioRuntimeProvider>::from_sender(multiplexer);
    let driven = tokio::spawn(driven);
    let response = client.query(name.clone(), DNSClass::IN, kind).await;
    driven.abort();
    response
}

/// The texts of `name` in `response`.
pub(crate) fn texts<'a>(
    response: &'a DnsResponse,
    name: &'a Name,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    response.answers.iter().filter(move |it| it.name == *name).filter_map(|it| match &it.data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    })
}
