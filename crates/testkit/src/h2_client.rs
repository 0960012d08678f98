//! A client of HTTP/2 on clear text, by prior knowledge: whole requests asked one by one or many at
//! once, and what became of each.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::DEADLINE;

/// What a stream brought.
#[derive(Debug, Default)]
pub struct H2Response {
    /// The status; 0 when no final head came.
    pub status: u16,
    /// Its fields.
    pub fields: HeaderMap,
    /// The statuses of the informational heads before it.
    pub informed: Vec<u16>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// The fields after the body.
    pub trailers: Option<HeaderMap>,
    /// Why it is not whole, where it is not.
    pub cut: Option<h2::Error>,
}

impl H2Response {
    /// The first value of the field `name`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("a value is text"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The reason with which the stream was reset, if it was.
    pub fn reset(&self) -> Option<Reason> {
        self.cut.as_ref().and_then(h2::Error::reason)
    }
}

/// A stream whose answer is yet to come, or not whole.
pub struct Asked {
    answer: ResponseFuture,
    incoming: Option<RecvStream>,
    body: SendStream<Bytes>,
}

/// One connection.
pub struct H2Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl H2Client {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there, or it does not speak HTTP/2.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(async move { TcpStream::connect(address).await.expect("somebody listens") })
    }

    /// Connects with TLS, asking for the server of this name.
    ///
    /// # Panics
    /// When nobody listens there, it is not that server, or does not speak HTTP/2.
    pub fn connect_tls(address: SocketAddr, config: ClientConfig, name: &str) -> Self {
        let name = name.to_owned().try_into().expect("it is a name");
        Self::over(async move {
            let stream = TcpStream::connect(address).await.expect("somebody listens");
            let connector = TlsConnector::from(Arc::new(config));
            connector.connect(name, stream).await.expect("it is the server of that name")
        })
    }

    fn over<S>(open: impl Future<Output = S>) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread starts");
        let (sender, connection) = runtime.block_on(async {
            let mut builder = h2::client::Builder::new();
            // A stream that is not read must not use up what the others need.
            builder.initial_connection_window_size(16 * 1024 * 1024);
            let handshake = builder.handshake(open.await).await;
            let (sender, connection) = handshake.expect("it speaks HTTP/2");
            (sender, tokio::spawn(connection))
        });
        Self { runtime, sender, connection }
    }

    /// A `GET` and its answer.
    pub fn get(&self, path: &str) -> H2Response {
        self.ask(request("GET", path), b"", None)
    }

    /// A whole request and its answer. No body is sent where there is none, and no trailers.
    pub fn ask(
        &self,
        request: Request<()>,
        body: &[u8],
        trailers: Option<HeaderMap>,
    ) -> H2Response {
        let is_bare = body.is_empty() && trailers.is_none();
        let mut asked = self.begin(request, is_bare);
        if !is_bare {
            asked.send(body, trailers.is_none());
        }
        if let Some(trailers) = trailers {
            asked.body.send_trailers(trailers).expect("the stream is open");
        }
        self.answer(asked)
    }

    /// Sends a head, which is all of the request where it `is_whole`.
    ///
    /// # Panics
    /// When the connection takes no more streams.
    pub fn begin(&self, request: Request<()>, is_whole: bool) -> Asked {
        let mut sender = self.sender.clone();
        let ready = std::future::poll_fn(|cx| sender.poll_ready(cx));
        self.within(ready).expect("the connection is open");
        // The connection's task runs elsewhere: nothing here waits.
        let (answer, body) = sender.send_request(request, is_whole).expect("a head can be sent");
        Asked { answer, incoming: None, body }
    }

    /// The next informational head's status, which comes before the final head.
    ///
    /// # Panics
    /// When none comes within [`DEADLINE`].
    pub fn informed(&self, asked: &mut Asked) -> u16 {
        let informed = self.within(std::future::poll_fn(|cx| asked.answer.poll_informational(cx)));
        informed.expect("one comes").expect("the stream is open").status().as_u16()
    }

    /// What becomes of it.
    ///
    /// # Panics
    /// When nothing does within [`DEADLINE`].
    pub fn answer(&self, mut asked: Asked) -> H2Response {
        let mut answer = H2Response::default();
        let outcome = self.within(read(&mut asked, &mut answer));
        answer.cut = outcome.err();
        answer
    }

    /// The next part of the body, which begins after the final head.
    ///
    /// # Panics
    /// When none comes within [`DEADLINE`], or the stream is cut.
    pub fn part(&self, asked: &mut Asked) -> Vec<u8> {
        let mut answer = H2Response::default();
        let part = async {
            let incoming = read_head(asked, &mut answer).await?;
            let part = incoming.data().await.expect("a part comes")?;
            incoming.flow_control().release_capacity(part.len())?;
            Ok::<_, h2::Error>(part.to_vec())
        };
        self.within(part).expect("the stream is whole so far")
    }

    fn within<T>(&self, what: impl Future<Output = T>) -> T {
        let what = async { tokio::time::timeout(DEADLINE, what).await };
        self.runtime.block_on(what).expect("it comes in time")
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.connection.is_finished()
    }

    /// Why the connection ends; `None` where that is in peace. Waits for it.
    ///
    /// # Panics
    /// When it does not within [`DEADLINE`].
    pub fn ending(mut self) -> Option<h2::Error> {
        let connection =
            std::mem::replace(&mut self.connection, self.runtime.spawn(async { Ok(()) }));
        self.within(connection).expect("its task does not panic").err()
    }
}

impl Asked {
    /// Sends a part of the body, the last one or not.
    ///
    /// # Panics
    /// When the stream is closed.
    pub fn send(&mut self, part: &[u8], is_last: bool) {
        let part = Bytes::copy_from_slice(part);
        self.body.send_data(part, is_last).expect("the stream is open");
    }

    /// Gives the stream up.
    pub fn reset(mut self, reason: Reason) {
        self.body.send_reset(reason);
    }
}

/// A request for `path` at `http://example.com`.
///
/// # Panics
/// When it is none.
pub fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://example.com{path}");
    Request::builder().method(method).uri(uri).body(()).expect("it is a request")
}

async fn read_head<'a>(
    asked: &'a mut Asked,
    into: &mut H2Response,
) -> Result<&'a mut RecvStream, h2::Error> {
    let Asked { answer, incoming, .. } = asked;
    if incoming.is_none() {
        let head = std::future::poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(informed))) = answer.poll_informational(cx) {
                into.informed.push(informed.status().as_u16());
            }
            Pin::new(&mut *answer).poll(cx)
        });
        let (parts, body) = head.await?.into_parts();
        into.status = parts.status.as_u16();
        into.fields = parts.headers;
        *incoming = Some(body);
    }
    Ok(incoming.as_mut().expect("it was put there"))
}

async fn read(asked: &mut Asked, into: &mut H2Response) -> Result<(), h2::Error> {
    let incoming = read_head(asked, into).await?;
    while let Some(part) = incoming.data().await {
        let part = part?;
        into.body.extend_from_slice(&part);
        incoming.flow_control().release_capacity(part.len())?;
    }
    into.trailers = incoming.trailers().await?;
    Ok(())
}
