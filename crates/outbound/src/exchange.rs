//! One request and its response: over a connection of its own, or over one that is kept.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::connect::Connected;
use crate::fault::{Fault, Stage};
use crate::pooled::Excess;
use crate::request::Request;
use crate::standing::Standing;

/// How large the head of a response may be.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;

/// What requests call themselves that do not say it.
const AGENT: &str = concat!("plimsoll/", env!("CARGO_PKG_VERSION"));

/// When all of a request has to be over.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    within: Duration,
}

impl Deadline {
    pub(crate) fn after(within: Duration) -> Self {
        Self { at: Instant::now() + within, within }
    }

    pub(crate) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    pub(crate) fn fault(self, stage: Stage) -> Fault {
        Fault::TooSlow { stage, within: self.within }
    }

    /// What comes of `future`, as long as there is time.
    pub(crate) async fn of<T>(
        self,
        stage: Stage,
        future: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        timeout_at(self.at, future).await.map_err(|_| self.fault(stage))
    }
}

/// What came.
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
    /// How near the server is that it came from.
    pub(crate) standing: Standing,
    /// Whether nothing of it is left unread.
    pub(crate) is_whole: bool,
}

/// Why nothing came.
pub(crate) enum Unanswered {
    /// The connection had been closed before anything of a response came: it may not have been asked at all.
    Closed(Fault),
    /// Something else.
    For(Fault),
}

impl Unanswered {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Closed(fault) | Self::For(fault) => fault,
        }
    }
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self::For(fault)
    }
}

/// A connection over which one request after another can be asked. Dropped, it is closed.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    standing: Standing,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Begins to speak HTTP with the server of `request`.
pub(crate) async fn open(connected: Connected, request: &Request) -> Result<Connection, Fault> {
    let Connected { stream, standing } = connected;
    let mut client = http1::Builder::new();
    client.max_buf_size(HEAD_BYTES_MAX);
    let opened = client.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(|source| broken(request, source))?;
    let driver = tokio::spawn(async move {
        // What ends it is told to the exchange.
        let _ = connection.await;
    });
    Ok(Connection { sender, driver, standing })
}

impl Connection {
    /// Sends `request`, and takes its response.
    pub(crate) async fn ask(
        &mut self,
        request: &Request,
        deadline: Deadline,
        excess: Excess,
    ) -> Result<Received, Unanswered> {
        let closed = |source| Unanswered::Closed(broken(request, source));
        deadline.of(Stage::Response, self.sender.ready()).await?.map_err(closed)?;
        let sent = self.sender.send_request(head_of(request, Persistence::Kept));
        let response = deadline.of(Stage::Response, sent).await?.map_err(|source| {
            // Whatever else it is: nothing of a response could be read.
            match source.is_parse() {
                true => Unanswered::For(broken(request, source)),
                false => closed(source),
            }
        })?;
        Ok(take(response, request, deadline, self.standing, excess).await?)
    }

    /// Whether another request could be asked over it, as far as one knows.
    pub(crate) fn may_be_kept(&self) -> bool {
        !self.sender.is_closed() && !self.driver.is_finished()
    }
}

/// Sends `request`, and takes its response. The connection ends with this future.
pub(crate) async fn exchange(
    connected: Connected,
    request: &Request,
    deadline: Deadline,
) -> Result<Received, Fault> {
    let Connected { stream, standing } = connected;
    let mut client = http1::Builder::new();
    client.max_buf_size(HEAD_BYTES_MAX);
    let opened = client.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|source| broken(request, source))?;
    let head = head_of(request, Persistence::Once);
    let received = async {
        let sent = deadline.of(Stage::Response, sender.send_request(head)).await?;
        let response = sent.map_err(|source| broken(request, source))?;
        take(response, request, deadline, standing, Excess::Refused).await
    };
    // What ends the connection is told to the exchange; it may be over before its response was read.
    let driven = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        received = received => received,
        never = driven => match never {},
    }
}

fn broken(request: &Request, source: hyper::Error) -> Fault {
    Fault::Broken { host: request.url.authority(), source }
}

/// Takes all of `response` that is within the bounds of `request`.
async fn take(
    response: http::Response<Incoming>,
    request: &Request,
    deadline: Deadline,
    standing: Standing,
    excess: Excess,
) -> Result<Received, Fault> {
    let (parts, body) = response.into_parts();
    // hyper's bound is of its buffer, which it may exceed by a read.
    if head_bytes(&parts.headers) > HEAD_BYTES_MAX {
        return Err(Fault::HeadTooLarge);
    }
    let read = deadline.of(Stage::Body, whole(body, request)).await?;
    let (body, is_whole) = match (read, excess) {
        (Err(Fault::TooLarge(_)), Excess::Dropped) => (Bytes::new(), false),
        (read, _) => (read?, true),
    };
    Ok(Received { status: parts.status, fields: parts.headers, body, standing, is_whole })
}

/// What becomes of a connection after its response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Persistence {
    Once,
    Kept,
}

fn head_of(request: &Request, persistence: Persistence) -> http::Request<Full<Bytes>> {
    let mut sent = http::Request::new(Full::new(request.body.clone()));
    *sent.method_mut() = request.method.clone();
    // What is no target is refused when the URL is read.
    *sent.uri_mut() = request.url.target.parse().unwrap_or_default();
    let fields = sent.headers_mut();
    *fields = request.fields.clone();
    let host = HeaderValue::from_str(&request.url.authority());
    fields.insert(HOST, host.unwrap_or(HeaderValue::from_static("")));
    if persistence == Persistence::Once {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    fields.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    sent
}

fn head_bytes(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// All of `body`, if it has no more bytes than `request` allows.
async fn whole(mut body: Incoming, request: &Request) -> Result<Bytes, Fault> {
    let most = request.bytes_max;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| broken(request, source))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Fault::TooLarge(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}
